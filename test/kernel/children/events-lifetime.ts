// Run by events-lifetime.test.ts: brings a reader to one stage after the other, in this thread or a Worker each, and ends it
// there.
// usage: events-lifetime.ts main|exit|worker ring|perf <stage>…
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

import { Ebpf, EbpfError, PerfEventArray, RingBuffer, type Batch, type EventReader } from '../../../lib/index.js';
import { repetitions } from '../../helpers/emulation.js';
import { openDescriptors } from '../../helpers/open-descriptors.js';
import { rawArguments, sample } from '../../helpers/samples.js';

const [how = '', kind = '', ...stageNames] = (workerData as string[] | null) ?? process.argv.slice(2);

interface Opened {
  readonly ebpf: Ebpf;
  readonly reader: EventReader<Uint8Array>;
  /** Writes so many records. */
  readonly write: (records: number) => Promise<void>;
}

/** Held, so that nothing is garbage: what is tested is the end of the process. */
const opened: Ebpf[] = [];
// Functions that nobody calls any more keep nothing.
Object.assign(globalThis, { opened });

async function open(options: { readonly signal?: AbortSignal } = {}): Promise<Opened> {
  const ebpf = await Ebpf.load(sample(kind === 'ring' ? 'ring_burst' : 'perf_burst'));
  opened.push(ebpf);
  const map = kind === 'ring' ? ebpf.map('events', RingBuffer) : ebpf.map('events', PerfEventArray);
  const write = async (records: number): Promise<void> => {
    await ebpf.program('burst').testRun({ context: rawArguments(records, 64, 0) });
  };
  return { ebpf, reader: map.read(options), write };
}

/** Writes until the reader is closed. */
async function writeOn({ ebpf, reader, write }: Opened): Promise<void> {
  while (!reader.closed && !ebpf.closed) await write(100);
}

function require(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** What must have happened before the stage is left. */
const stages: Record<string, () => Promise<void>> = {
  async 'a reader nobody asks'() {
    const { write } = await open();
    await write(100);
  },
  async 'a reader that waits'() {
    const { reader } = await open();
    reader.unref();
    void reader[Symbol.asyncIterator]().next();
    await sleep(5);
  },
  async 'events arriving'() {
    const one = await open();
    let batches = 0;
    const started = new Promise<void>((resolve) => {
      void (async () => {
        for await (const batch of one.reader.batches()) {
          if (batch.length > 0 && ++batches === 10) resolve();
        }
      })();
    });
    void writeOn(one);
    await started;
  },
  async 'a handler that throws'() {
    const one = await open();
    await one.write(100);
    let calls = 0;
    const failure = await one.reader
      .forEach(() => {
        if (++calls === 10) throw new TypeError('thrown by the handler');
      })
      .catch((error: unknown) => error);
    require(failure instanceof TypeError && calls === 10, 'the exception was lost');
    require(one.reader.closed, 'the reader is open');
  },
  async 'a handler that throws where nobody catches'() {
    const one = await open();
    const caught = once(process, 'unhandledRejection');
    void one.reader.forEach(() => {
      throw new TypeError('thrown by the handler');
    });
    await one.write(1);
    const [error] = (await caught) as [Error];
    require(error.message === 'thrown by the handler' && one.reader.closed, 'the exception was lost');
  },
  async 'an abort under load'() {
    const controller = new AbortController();
    const one = await open({ signal: controller.signal });
    const reading = (async () => {
      for await (const batch of one.reader.batches()) if (batch.length > 0) controller.abort('enough');
    })();
    const writing = writeOn(one);
    const reason = await reading.catch((error: unknown) => error);
    require(reason === 'enough', 'the reason was lost');
    await writing;
  },
  async 'a close during a batch'() {
    const one = await open();
    await one.write(200);
    let events = 0;
    let first: Batch<Uint8Array> | undefined;
    for await (const batch of one.reader.batches()) {
      if (first === undefined) {
        first = batch;
        await one.write(200);
        await one.reader.close();
      }
      events += [...batch].length;
    }
    require(events === 400, `a batch was lost: ${events} events`);
  },
  async 'a batch used after its time'() {
    const one = await open();
    await one.write(10);
    let old: Batch<Uint8Array> | undefined;
    for await (const batch of one.reader.batches()) {
      if (old !== undefined) break;
      old = batch;
      await one.write(10);
    }
    let code: unknown;
    try {
      for (const event of old ?? []) require(event.length > 0, 'no event');
    } catch (error) {
      code = EbpfError.is(error) ? error.code : error;
    }
    require(code === 'ERR_EBPF_BATCH_EXPIRED', `it gave ${String(code)}`);
    // Views that were kept show other bytes, and are memory all the same.
    require(one.reader.closed, 'the reader is open');
  },
  async 'several readers'() {
    const all = await Promise.all([open(), open(), open()]);
    for (const { reader, write } of all) {
      reader.unref();
      void reader[Symbol.asyncIterator]().next();
      await write(3);
    }
  },
  async 'a flight recorder'() {
    const ebpf = await Ebpf.load(sample('perf_burst'));
    opened.push(ebpf);
    const recorder = ebpf.map('events', PerfEventArray).record();
    await ebpf.program('burst').testRun({ context: rawArguments(3, 64) });
    require((await recorder.snapshot()).length === 3, 'events were lost');
    // One that is under way as the environment ends.
    void recorder.snapshot();
  },
};

async function run(name: string): Promise<void> {
  const stage = stages[name];
  if (stage === undefined) throw new Error(`no stage is called ${name}: ${Object.keys(stages).join(', ')}`);
  try {
    await stage();
  } catch (cause) {
    throw new Error(`${name}: failed`, { cause });
  }
}

async function inWorker(stage: string): Promise<void> {
  const before = JSON.stringify(openDescriptors());
  for (let round = 0; round < repetitions(2); round++) {
    const worker = new Worker(__filename, { workerData: ['worker', kind, stage], execArgv: process.execArgv });
    await once(worker, 'message');
    await sleep(round * 7);
    await worker.terminate();
  }
  const after = JSON.stringify(openDescriptors());
  if (after !== before) throw new Error(`${stage}: descriptors before the Workers: ${before}, after: ${after}`);
}

async function main(): Promise<void> {
  for (const stage of stageNames) await (how === 'worker' ? inWorker(stage) : run(stage));
  console.log('the end');
  if (how === 'exit') process.exit(0);
}

if (isMainThread) {
  void main();
} else {
  void run(stageNames[0] ?? '').then(() => parentPort?.postMessage('ready'));
  setInterval(() => {}, 60_000);
}
