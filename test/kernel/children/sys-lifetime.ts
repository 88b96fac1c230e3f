// Run by sys-lifetime.test.ts: brings the native layer to a stage, in this thread or a Worker, and ends it there.
// usage: sys-lifetime.ts main|exit|worker <stage> <name of all programs and maps>
import { once } from 'node:events';
import { existsSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

import { MapType, ProgramType } from '../../../lib/abi/index.js';
import {
  createMap,
  loadProgram,
  Mapping,
  openPerfEvent,
  openRawTracepoint,
  readInMemory,
  RecordBuffer,
  Ring,
  testRunProgram,
  type Handle,
} from '../../../lib/sys/index.js';
import { emitting, emittingRingOffset, longProgram, packet, returning } from '../../helpers/assemble.js';
import { emulated, repetitions } from '../../helpers/emulation.js';
import { openDescriptors } from '../../helpers/open-descriptors.js';

/** Instructions and runs that take longer than a process needs to end. */
const long = emulated ? 100_000 : 900_000;

/** What a stage leaves open is never referred to again, so that only the environment holds it. */
type Stage = () => Promise<void>;

const [how = '', stageName = '', objectName = ''] = (workerData as string[] | null) ?? process.argv.slice(2);

async function load(type: ProgramType, code: Uint8Array, map?: Handle): Promise<Handle> {
  const bindings = map === undefined ? [] : [{ offset: emittingRingOffset, handle: map }];
  const result = await loadProgram({ type, name: objectName, code, bindings, license: 'GPL' });
  if (result.handle === undefined) throw new Error(result.log);
  return result.handle;
}

async function openRing(): Promise<{ ring: Ring; run: (repeat: number) => Promise<unknown> }> {
  const map = await createMap({ type: MapType.RINGBUF, name: objectName, keySize: 0, valueSize: 0, maxEntries: 65536 });
  const program = await load(ProgramType.SOCKET_FILTER, emitting(64), map);
  const data = packet(new Uint8Array(64));
  return { ring: Ring.open(map), run: async (repeat) => testRunProgram(program, { data, repeat }) };
}

const stages: Record<string, Stage> = {
  async maps() {
    await createMap({ type: MapType.HASH, name: objectName, keySize: 4, valueSize: 4, maxEntries: 8 });
    const map = await createMap({
      ...{ type: MapType.ARRAY, name: objectName, keySize: 4, valueSize: 8, maxEntries: 8, flags: 1024 },
    });
    Mapping.create(map, 64, { writable: true });
  },
  async 'a load under way'() {
    void load(ProgramType.SOCKET_FILTER, longProgram(long));
    await sleep(5);
  },
  async 'several calls under way'() {
    const program = await load(ProgramType.SOCKET_FILTER, returning(0));
    for (let index = 0; index < 8; index++)
      void testRunProgram(program, { data: packet(new Uint8Array(8)), repeat: long });
    void load(ProgramType.SOCKET_FILTER, longProgram(long / 4));
    program.close();
  },
  async 'files being read'() {
    // Several milliseconds of the kernel's time each, straight into memory of this environment.
    for (let index = 0; index < 4; index++) {
      void readInMemory(openSync('/proc/kallsyms', 'r'), new Uint8Array(16 << 20), 0);
    }
    const types = '/sys/kernel/btf/vmlinux';
    // All records of one size, and 65,536 buckets: it goes through the types, whatever it finds.
    const index = new Uint32Array(4 << 20).fill(12, 2, 256);
    index[1] = 65_536;
    if (existsSync(types)) void readInMemory(openSync(types, 'r'), new Uint8Array(16 << 20), 0, index);
    await sleep(1);
  },
  async 'a ring waiting'() {
    const { ring } = await openRing();
    ring.arm(() => {});
    ring.ref();
    ring.unref();
  },
  async 'a ring waited for'() {
    const { ring, run } = await openRing();
    await run(1);
    ring.ref();
    await new Promise<void>((resolve) => {
      ring.arm(resolve);
    });
    ring.unref();
    ring.arm(() => {});
  },
  async 'events arriving'() {
    const { ring, run } = await openRing();
    const destination = new RecordBuffer(16384);
    let batches = 0;
    const started = new Promise<void>((resolve) => {
      const onReady = (): void => {
        while (ring.drain(destination).records > 0);
        ring.arm(onReady);
        if (++batches === 20) resolve();
      };
      ring.arm(onReady);
    });
    const produce = async (): Promise<void> => {
      for (let round = 0; round < 100_000 && !ring.closed; round++) await run(50);
    };
    void produce();
    await started;
  },
  async 'a batch being drained'() {
    const { ring, run } = await openRing();
    ring.arm(() => {
      parentPort?.postMessage('ready');
      const destination = new RecordBuffer(4096);
      // Only termination ends this.
      while (!isMainThread) ring.drain(destination);
    });
    void run(20);
    if (!isMainThread) await sleep(60_000);
  },
  async 'an attached link'() {
    const program = await load(ProgramType.RAW_TRACEPOINT, returning(0));
    await openRawTracepoint(program, 'sched_process_exec');
    openPerfEvent({ fields: { type: 1, config: 9, sample_period: 1 }, pid: 0, cpu: -1 });
  },
  async 'a link being closed'() {
    const program = await load(ProgramType.RAW_TRACEPOINT, returning(0));
    const link = await openRawTracepoint(program, 'sched_process_exec');
    void link.closeAsync();
    program.close();
  },
  async 'an exception in a callback'() {
    const { ring, run } = await openRing();
    const caught = isMainThread ? once(process, 'uncaughtException') : Promise.resolve([]);
    ring.arm(() => {
      throw new Error('thrown by onReady');
    });
    ring.ref();
    void run(1);
    const [error] = (await caught) as [Error?];
    if (isMainThread && error?.message !== 'thrown by onReady') throw new Error('the exception was lost');
    // The ring works on.
    await new Promise<void>((resolve) => {
      ring.arm(resolve);
    });
    ring.unref();
  },
};

async function main(): Promise<void> {
  const stage = stages[stageName];
  if (stage === undefined) throw new Error(`no stage is called ${stageName}: ${Object.keys(stages).join(', ')}`);
  if (how !== 'worker') {
    await stage();
    if (how === 'exit') process.exit(0);
    return;
  }
  const before = JSON.stringify(openDescriptors());
  for (let round = 0; round < repetitions(3); round++) {
    const worker = new Worker(__filename, { workerData: [how, stageName, objectName], execArgv: process.execArgv });
    await once(worker, 'message');
    await sleep(round * 7);
    await worker.terminate();
  }
  const after = JSON.stringify(openDescriptors());
  if (after !== before) throw new Error(`descriptors before the Workers: ${before}, after: ${after}`);
  console.log('the process goes on');
}

if (isMainThread) {
  void main();
} else {
  void stages[stageName]?.().then(() => parentPort?.postMessage('ready'));
  setInterval(() => {}, 60_000);
}
