import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Command, CommandContext } from './command.js';
import { CommandLineError } from './command-error.js';
import { compileCacheCommand } from './commands/compile-cache.js';
import { linkCommand } from './commands/link.js';
import { mapCommand } from './commands/map.js';
import { programCommand } from './commands/program.js';
import { runCommand } from './commands/run.js';
import { reportError } from './report-error.js';

const COMMANDS: readonly Command[] = [runCommand, mapCommand, programCommand, linkCommand, compileCacheCommand];

/** Runs `node-ebpf <args>` and gives the exit status. */
export async function runCommandLine(args: readonly string[], context: CommandContext): Promise<number> {
  try {
    const [first, ...rest] = args;
    if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
      (first === undefined ? context.stderr : context.stdout).write(overview());
      return first === undefined ? 2 : 0;
    }
    if (first === '--version' || first === '-v') {
      context.stdout.write(`${version()}\n`);
      return 0;
    }
    const command = COMMANDS.find((candidate) => candidate.name === first);
    if (command === undefined) {
      const kind = first.startsWith('-') ? 'option' : 'command';
      throw new CommandLineError(`no ${kind} ${first}; the commands are: ${COMMANDS.map((c) => c.name).join(', ')}`);
    }
    const ownArguments = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest;
    if (ownArguments.includes('--help') || ownArguments.includes('-h')) {
      context.stdout.write(command.help);
      return 0;
    }
    return await command.run(rest, context);
  } catch (error) {
    return reportError(error, context.stderr);
  }
}

function overview(): string {
  const width = Math.max(...COMMANDS.map((command) => command.name.length));
  const commands = COMMANDS.map((command) => `  ${command.name.padEnd(width)}  ${command.summary}`);
  return `Usage: node-ebpf <command> [options]

Commands:
${commands.join('\n')}

  node-ebpf <command> --help   the options of a command
  node-ebpf --version          the version

Exit status: 0 when it did what was asked, 1 when something failed, 2 when the command line could not be understood,
77 when rights are missing. NODE_DEBUG=ebpf shows every call to the kernel, and stacks.
`;
}

function version(): string {
  // The same distance from lib/cli/ and from dist/cli/.
  const manifest: unknown = JSON.parse(readFileSync(join(__dirname, '../../package.json'), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : '?';
}
