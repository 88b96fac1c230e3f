import { parseArgs } from 'node:util';

import { BpfMap, escapeControl, holders, listMaps, MapType, type Holders, type MapInfo } from '../../index.js';
import type { Command, CommandContext } from '../command.js';
import { CommandError, CommandLineError } from '../command-error.js';
import { printRows } from '../print-rows.js';
import { holderWords } from './holder-words.js';

const help = `Usage: node-ebpf map list [--json]
       node-ebpf map dump <id | pin | name> [--json]

  list   the maps of the kernel, whoever made them, and which processes have them open
  dump   the entries of a map, decoded by the types that the kernel keeps with it. A map is named by its id, the path
         it is pinned at (with a slash), or the name that list shows, when one map has it

  --json   a JSON object per map or entry, 64-bit integers as strings, bytes as hex digits

Exit status: 0 when it was done; 1 when something failed; 2 when the command line could not be understood; 77 when
rights are missing.

Example:
  node-ebpf map dump execs_by_uid
`;

const typeNames = new Map<number, string>(Object.entries(MapType).map(([name, type]) => [type, name.toLowerCase()]));

export const mapCommand: Command = {
  name: 'map',
  summary: 'list the maps of the kernel, print the entries of one',
  help,
  run,
};

async function run(args: readonly string[], context: CommandContext): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false } },
  });
  const [action, ...operands] = positionals;
  if (action === 'list' && operands.length === 0) {
    await printRows(listRows(values.json, await holders()), values.json, context);
  } else if (action === 'dump' && operands[0] !== undefined && operands.length === 1) {
    using map = openMap(operands[0]);
    await printRows(entriesOf(map), values.json, context);
  } else throw new CommandLineError('expected: map list, or map dump <id | pin | name>');
  return 0;
}

function* listRows(json: boolean, { maps: held }: Holders): Generator<object> {
  for (const { id, name, type, keySize, valueSize, maxEntries, flags, btfId } of listMaps()) {
    const typeName = typeNames.get(type) ?? type;
    // A person sees what is short; the rest is one --json away.
    if (json) {
      yield { id, name, type: typeName, keySize, valueSize, maxEntries, flags, btfId, holders: held.get(id) ?? [] };
      continue;
    }
    const sizes = { key: keySize, value: valueSize, entries: maxEntries };
    yield { id, name, type: typeName, ...sizes, holders: holderWords(held.get(id)) };
  }
}

function openMap(text: string): BpfMap {
  const access = 'read';
  if (text.includes('/')) return BpfMap.open(text, { access });
  return BpfMap.open({ id: /^\d+$/.test(text) ? Number(text) : idOf(text) }, { access });
}

/** The only map of that name; of longer names the kernel keeps 15 characters. */
function idOf(name: string): number {
  const found = listMaps().filter(
    (map: MapInfo) => map.name === name || (name.length > 15 && map.name === name.slice(0, 15)),
  );
  const [map] = found;
  if (map === undefined)
    throw new CommandError(`no map is named ${escapeControl(name)}; node-ebpf map list shows them`);
  if (found.length === 1) return map.id;
  throw new CommandError(
    `${found.length} maps are named ${escapeControl(name)}: ${found.map(({ id }) => id).join(', ')}`,
  );
}

function* entriesOf(map: BpfMap): Generator<object> {
  // Maps that hold programs or maps: what the kernel tells of those.
  if (hasIds(map)) {
    for (const [key, id] of map.ids()) yield { key, id };
    return;
  }
  if (!hasEntries(map)) {
    const type = typeNames.get(map.type) ?? map.type;
    throw new CommandError(`map ${escapeControl(map.name)} is of type ${type}, which has no entries to print`);
  }
  for (const [key, value] of map.entries()) yield { key, value };
}

function hasIds(map: BpfMap): map is BpfMap & { ids(): Iterable<[unknown, number]> } {
  return 'ids' in map && typeof map.ids === 'function';
}

function hasEntries(map: BpfMap): map is BpfMap & { entries(): Iterable<[unknown, unknown]> } {
  return 'entries' in map && typeof map.entries === 'function';
}
