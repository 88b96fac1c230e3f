// Run by sys-trace.test.ts with NODE_DEBUG=ebpf.
import { MapType } from '../../../lib/abi/index.js';
import { createMap, mapLookup } from '../../../lib/sys/index.js';

async function main(): Promise<void> {
  const map = await createMap({ type: MapType.ARRAY, name: 'traced', keySize: 4, valueSize: 4, maxEntries: 1 });
  mapLookup(map, new Uint8Array(4), new Uint8Array(4), 0);
  mapLookup(map, Uint8Array.of(1, 0, 0, 0), new Uint8Array(4), 0);
  map.close();
}

void main();
