// Run by open-maps.test.ts in a mount namespace with a BPF file system: pins of maps.
import { equal, deepEqual, throws } from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { BpfMap, HashMap, struct, u32, u64 } from '../../../lib/index.js';

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
  equal(BpfMap.open(join(folder, 'nameless')).name, 'nameless');

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
  console.log('done');
}

void main();
