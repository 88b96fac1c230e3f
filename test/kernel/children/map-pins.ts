// Run by open-maps.test.ts in a mount namespace with a BPF file system: pins of maps.
import { equal, deepEqual, rejects, throws } from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { ArrayMap, BpfMap, Ebpf, HashMap, MapFlag, bytes, struct, u32, u64 } from '../../../lib/index.js';
import { rawArguments, sample } from '../../helpers/samples.js';

const [mount = ''] = process.argv.slice(2);
const Counts = struct('counts', { packets: u64, bytes: u64 });
const counts = { packets: 1n, bytes: 2n };

async function main(): Promise<void> {
  const folder = join(mount, 'folder');
  mkdirSync(folder);
  const path = join(folder, 'counts');
  const map = await HashMap.create({ name: 'pinned_counts', key: u32, value: Counts, maxEntries: 8 });
  map.set(1, counts);
  map.pin(path);

  const found = HashMap.open(path);
  deepEqual([found.name, found.get(1)], ['pinned_counts', counts]);
  const nameless = await HashMap.create({ key: u32, value: u32, maxEntries: 1 });
  nameless.pin(join(folder, 'nameless'));
  const again = BpfMap.open(join(folder, 'nameless'));
  equal(again.name, 'nameless');

  const reading = HashMap.of(u32, Counts).open(path, { access: 'read' });
  deepEqual([...reading], [[1, counts]]);
  throws(() => reading.set(1, counts), { errnoName: 'EPERM' });
  throws(() => reading.delete(1), { errnoName: 'EPERM' });
  const writing = HashMap.of(u32, Counts).open(path, { access: 'write' });
  writing.set(2, { packets: 7, bytes: 7 });
  throws(() => writing.get(1), { errnoName: 'EPERM' });
  throws(() => [...writing], { errnoName: 'EPERM' });
  equal(map.get(2)?.packets, 7n);

  throws(() => {
    nameless.unpin(path);
  }, /is a pin of another map, not of ""/);
  deepEqual(readdirSync(folder).sort(), ['counts', 'nameless']);
  map.unpin(path);
  deepEqual(readdirSync(folder), ['nameless']);
  throws(() => {
    map.unpin(path);
  }, /ENOENT/);
  deepEqual(map.get(1), counts);
  for (const each of [map, found, nameless, again, reading, writing]) each.close();
  await reuse(folder);
  console.log('done');
}

/** Objects open what is pinned where their maps are to be, once it is what their programs were compiled for. */
async function reuse(folder: string): Promise<void> {
  const path = join(folder, 'hash');
  const load = async () => Ebpf.load(sample('map_types'), { maps: { hash: { pinPath: path } } });
  const set = async (ebpf: Ebpf, key: number, packets: number) =>
    ebpf.program('use_hash').testRun({ context: rawArguments(1, key, packets, 0) });

  const first = await load();
  await set(first, 5, 50);
  await first.close();
  const second = await load();
  deepEqual([...second.map('hash', HashMap)], [[5, { packets: 50, bytes: 0n }]]);
  // Who opens the pin sees the types of the object that made it.
  const opened = HashMap.open(path);
  await set(second, 6, 60);
  deepEqual(opened.get(6), { packets: 60, bytes: 0n });
  opened.close();
  second.map('hash').unpin(path);
  await second.close();

  const others: [Promise<BpfMap>, string][] = [
    [HashMap.create({ key: u64, value: bytes(16), maxEntries: 64 }), 'key size is 8, not 4'],
    [HashMap.create({ key: u32, value: bytes(24), maxEntries: 64 }), 'value size is 24, not 16'],
    [HashMap.create({ key: u32, value: bytes(16), maxEntries: 65 }), 'maxEntries is 65, not 64'],
    [
      HashMap.create({ key: u32, value: bytes(16), maxEntries: 64, flags: MapFlag.NO_PREALLOC }),
      'flags is NO_PREALLOC, not 0',
    ],
    [ArrayMap.create({ value: u32, maxEntries: 64 }), 'type is ARRAY, not HASH, value size is 4, not 16'],
  ];
  for (const [made, differs] of others) {
    const map = await made;
    map.pin(path);
    const problem = `maps.hash: the map pinned at "${path}" differs from the object's: ${differs}`;
    await rejects(load(), { code: 'ERR_EBPF_INVALID_VALUE', path: 'maps.hash', message: problem });
    map.unpin(path);
    // The same for a map that is given.
    const given = Ebpf.load(sample('map_types'), { maps: { hash: map } });
    await rejects(given, { message: `maps.hash: the map given for "hash" differs from the object's: ${differs}` });
    map.close();
  }
}

void main();
