import { parseArgs } from 'node:util';

import { holders, linkTarget, listLinks, listPrograms } from '../../index.js';
import type { Command, CommandContext } from '../command.js';
import { CommandLineError } from '../command-error.js';
import { printRows } from '../print-rows.js';
import { holderWords } from './holder-words.js';

const help = `Usage: node-ebpf link list [--json]

  list   the links of the kernel, whoever made them: what is attached where, and which processes have the link open; a link
         that none has open is pinned

  --json   a JSON object per link, with all that the kernel says of it, 64-bit integers as strings

Exit status: 0 when it was done; 1 when something failed; 2 when the command line could not be understood; 77 when
rights are missing.

Example:
  node-ebpf link list --json
`;

export const linkCommand: Command = {
  name: 'link',
  summary: 'list what is attached by links of the kernel',
  help,
  run,
};

async function run(args: readonly string[], context: CommandContext): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false } },
  });
  if (positionals.join(' ') !== 'list') throw new CommandLineError('expected: link list');
  const { links: held } = await holders();
  const names = new Map(listPrograms().map(({ id, name }) => [id, name]));
  const rows = listLinks().map((link) => {
    const program = names.get(link.programId) ?? '';
    // A person sees what is short; the rest is one --json away.
    if (values.json) return { ...link, program, holders: held.get(link.id) ?? [] };
    const { id, kind, programId } = link;
    return { id, kind, programId, program, target: linkTarget(link), holders: holderWords(held.get(id)) };
  });
  await printRows(rows, values.json, context);
  return 0;
}
