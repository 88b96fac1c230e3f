// Run by sys-collection.test.ts with --expose-gc: what garbage collection closes, and what it must not.
import { setTimeout as sleep } from 'node:timers/promises';

import { MapType, ProgramType } from '../../../lib/abi/index.js';
import {
  createMap,
  loadProgram,
  openPerfEvent,
  openRawTracepoint,
  Ring,
  testRunProgram,
  type Handle,
} from '../../../lib/sys/index.js';
import { emitting, emittingRingOffset, packet, returning } from '../../helpers/assemble.js';
import { openDescriptors } from '../../helpers/open-descriptors.js';

async function load(type: ProgramType, code: Uint8Array, map?: Handle): Promise<Handle> {
  const bindings = map === undefined ? [] : [{ offset: emittingRingOffset, handle: map }];
  const result = await loadProgram({ type, name: 'collected', code, bindings, license: 'GPL' });
  if (result.handle === undefined) throw new Error(result.log);
  return result.handle;
}

let calls = 0;
let emit: () => Promise<unknown> = async () => Promise.resolve();

async function abandon(): Promise<void> {
  await createMap({ type: MapType.ARRAY, name: 'forgotten', keySize: 4, valueSize: 4, maxEntries: 1 });
  await load(ProgramType.SOCKET_FILTER, returning(0));
  const attached = await load(ProgramType.RAW_TRACEPOINT, returning(0));
  await openRawTracepoint(attached, 'sched_process_exec');
  openPerfEvent({ fields: { type: 1, config: 9, sample_period: 1 }, pid: 0, cpu: -1 });
  const map = await createMap({ type: MapType.RINGBUF, name: 'ring', keySize: 0, valueSize: 0, maxEntries: 4096 });
  const program = await load(ProgramType.SOCKET_FILTER, emitting(16), map);
  program.collectable = false;
  emit = async () => testRunProgram(program, { data: packet(new Uint8Array(16)) });
  Ring.open(map).arm(() => calls++);
}

async function main(): Promise<void> {
  process.on('warning', (warning) => {
    console.log(`${warning.name} ${(warning as NodeJS.ErrnoException).code ?? ''}: ${warning.message}`);
  });
  await abandon();
  for (let round = 0; round < 10; round++) {
    global.gc?.();
    await sleep(20);
  }
  await emit();
  await sleep(50);
  const {
    'bpf-map': maps = 0,
    'bpf-prog': programs = 0,
    bpf_link: links = 0,
    perf_event: events = 0,
  } = openDescriptors();
  // The one map is the ring's own descriptor, the one program the one kept for `emit`.
  console.log(JSON.stringify({ maps, programs, links, events, calls }));
}

void main();
