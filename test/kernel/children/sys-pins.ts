// Run by sys-pins.test.ts in a mount namespace of its own. usage: sys-pins.ts <a BPF file system>
import { join } from 'node:path';

import { MapType, ProgramType } from '../../../lib/abi/index.js';
import {
  createMap,
  loadProgram,
  mapLookup,
  mapUpdate,
  objectInfo,
  openPinned,
  openRawTracepoint,
  pinObject,
} from '../../../lib/sys/index.js';
import { returning } from '../../helpers/assemble.js';

const [folder = ''] = process.argv.slice(2);

function message(action: () => unknown): string {
  try {
    action();
    return 'no error';
  } catch (error) {
    return error instanceof Error ? error.message.replaceAll(folder, '<bpffs>') : String(error);
  }
}

async function main(): Promise<void> {
  const map = await createMap({ type: MapType.ARRAY, name: 'pinned', keySize: 4, valueSize: 4, maxEntries: 1 });
  const key = new Uint8Array(4);
  mapUpdate(map, key, Uint8Array.of(1, 2, 3, 4), 0);
  pinObject(map, join(folder, 'map'));
  const { id } = objectInfo(map, 'map');
  map.close();
  const again = openPinned(join(folder, 'map'), 'map');
  const value = new Uint8Array(4);
  console.log('map', objectInfo(again, 'map').id === id, mapLookup(again, key, value, 0), [...value].join());

  const loaded = await loadProgram({
    ...{ type: ProgramType.RAW_TRACEPOINT, name: 'pinned', code: returning(0), bindings: [], license: 'GPL' },
  });
  if (loaded.handle === undefined) throw new Error(loaded.log);
  const link = await openRawTracepoint(loaded.handle, 'sched_process_exec');
  pinObject(loaded.handle, join(folder, 'program'));
  pinObject(link, join(folder, 'link'));
  const linkId = objectInfo(link, 'link').id;
  link.close();
  loaded.handle.close();
  console.log('program', objectInfo(openPinned(join(folder, 'program'), 'program'), 'program').name);
  console.log('link', objectInfo(openPinned(join(folder, 'link'), 'link'), 'link').id === linkId);

  console.log(message(() => openPinned(join(folder, 'map'), 'program')));
  console.log(message(() => openPinned(join(folder, 'link'), 'map')));
  console.log(message(() => openPinned(join(folder, 'none'), 'map')));
  console.log(message(() => pinObject(again, join(folder, 'program'))));
  console.log(message(() => pinObject(again, '/proc/not-a-bpffs')));
  console.log(message(() => pinObject(again, `${folder}/${'long'.repeat(2000)}`)).replace(/(long)+/, 'long…'));
}

void main();
