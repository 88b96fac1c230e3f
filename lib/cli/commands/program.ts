import { parseArgs } from 'node:util';

import { bootTimeToDate, escapeControl, holders, listPrograms, Program, ProgramType } from '../../index.js';
import type { Command, CommandContext } from '../command.js';
import { CommandError, CommandLineError } from '../command-error.js';
import { Output } from '../output.js';
import { printRows } from '../print-rows.js';
import { holderWords } from './holder-words.js';

const help = `Usage: node-ebpf program list [--json]
       node-ebpf program dump <id | pin | name> [--machine]

  list   the programs of the kernel, whoever loaded them, and which processes have them open; a program that none has open
         is attached, pinned, or in a map
  dump   the instructions of a program as the verifier left them, between the lines of C. A program is named by its id, the
         path it is pinned at (with a slash), or the name that list shows, when one program has it

  --machine   the machine code that the kernel made, in place of instructions
  --json      a JSON object per program, 64-bit integers as strings

Exit status: 0 when it was done; 1 when something failed; 2 when the command line could not be understood; 77 when
rights are missing.

Example:
  node-ebpf program dump handle_exec
`;

const typeNames = new Map<number, string>(
  Object.entries(ProgramType).map(([name, type]) => [type, name.toLowerCase()]),
);

export const programCommand: Command = {
  name: 'program',
  summary: 'list the programs of the kernel, print the code of one',
  help,
  run,
};

async function run(args: readonly string[], context: CommandContext): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false }, machine: { type: 'boolean', default: false } },
  });
  const [action, ...operands] = positionals;
  if (action === 'list' && operands.length === 0) await list(values.json, context);
  else if (action === 'dump' && operands[0] !== undefined && operands.length === 1) {
    await dump(operands[0], values.machine, context);
  } else throw new CommandLineError('expected: program list, or program dump <id | pin | name>');
  return 0;
}

async function list(json: boolean, context: CommandContext): Promise<void> {
  const { programs: held } = await holders();
  const rows = listPrograms().map((program) => {
    const type = typeNames.get(program.type) ?? program.type;
    // A person sees what is short; the rest is one --json away.
    if (json) return { ...program, type, holders: held.get(program.id) ?? [] };
    const { id, name, tag, loadTime, mapIds } = program;
    const loaded = bootTimeToDate(loadTime).toISOString();
    return { id, type, name, tag, loaded, maps: mapIds, holders: holderWords(held.get(id)) };
  });
  await printRows(rows, json, context);
}

async function dump(text: string, machine: boolean, context: CommandContext): Promise<void> {
  using program = Program.open(text.includes('/') ? text : { id: /^\d+$/.test(text) ? Number(text) : idOf(text) });
  const output = new Output(context.stdout, () => {});
  await output.write(String(machine ? program.machineCode() : await program.translatedCode()));
  output.throwIfFailed();
}

/** The only program of that name; of longer names the kernel keeps 15 characters. */
function idOf(name: string): number {
  const found = listPrograms().filter((program) => program.name === name.slice(0, 15));
  const [program] = found;
  if (program === undefined) {
    throw new CommandError(`no program is named ${escapeControl(name)}; node-ebpf program list shows them`);
  }
  if (found.length === 1) return program.id;
  const ids = found.map(({ id }) => id).join(', ');
  throw new CommandError(`${found.length} programs are named ${escapeControl(name)}: ${ids}`);
}
