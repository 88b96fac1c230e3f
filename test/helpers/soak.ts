// Endurance of readers: `npm run soak` runs this for a long time, the kernel suite for a short one.
import { endianness } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

import { Ebpf, PerfEventArray, RingBuffer, type EventReader } from '../../lib/index.js';
import { rawArguments, sample } from './samples.js';

const littleEndian = endianness() === 'LE';
/** Records that the sample `soak` writes in one run at most. */
const mostPerRun = 200;

export interface SoakOptions {
  readonly kind: 'ring' | 'perf';
  /** Records that the program writes or fails to write. */
  readonly records: number;
  /** The consumer rests for so long after each `batchesPerPause` batches. */
  readonly pauseMs: number;
  readonly batchesPerPause: number;
  /** Told of progress now and then. */
  readonly onProgress?: ((produced: number) => void) | undefined;
}

export interface SoakResult {
  readonly produced: number;
  readonly received: number;
  /** As the program counts them. */
  readonly dropped: number;
  /** As the kernel counts them: perf buffers only. */
  readonly lost: number | undefined;
  /** Numbers that are missing between those received. */
  readonly missing: number;
  /** Records whose size, end or order is not what the program wrote. */
  readonly damaged: number;
  /** The largest record received, in bytes. */
  readonly largest: number;
  /** Bytes of resident memory after the first tenth and at the end. */
  readonly memory: readonly [early: number, late: number];
}

const shiftOf = { ring: 12, perf: 17 };

/** The size of a record: size_of() of bpf-samples/soak.bpf.c. */
function sizeOf(number: number, kind: SoakOptions['kind']): number {
  let hash = Math.imul(number, 0x9e3779b1);
  hash ^= hash >>> 15;
  if ((hash & 4095) !== 0) return 8 + ((hash >>> 12) & 127);
  return 8 + (Math.imul(hash, 0x85ebca6b) >>> shiftOf[kind]);
}

/** Writes and reads; received and dropped together must be what was produced. */
export async function soak(options: SoakOptions): Promise<SoakResult> {
  const { kind } = options;
  await using ebpf = await Ebpf.load(sample('soak'));
  const reader: EventReader<Uint8Array> =
    kind === 'ring' ? ebpf.map('ring_events', RingBuffer).read() : ebpf.map('perf_events', PerfEventArray).read();
  const consumer = new Consumer(reader, options);
  const reading = consumer.run();
  const context = rawArguments(mostPerRun);
  const runs = Math.ceil(options.records / mostPerRun);
  const program = ebpf.program(kind);
  let early = 0;
  for (let run = 0; run < runs; run++) {
    // On one CPU (BPF_F_TEST_RUN_ON_CPU): records of several have no order.
    await program.testRun({ context, flags: 1, cpu: 0 });
    if (run === Math.floor(runs / 10)) early = process.memoryUsage.rss();
    if (run % 20_000 === 0) options.onProgress?.(run * mostPerRun);
  }
  const produced = Number(ebpf.variables[`${kind}_number`]);
  await reader.close();
  const { received, missing, damaged, largest, next } = await reading;
  const { dropped, lost } = reader.stats;
  return {
    produced,
    received,
    dropped: Number(dropped),
    lost: lost === undefined ? undefined : Number(lost),
    missing: missing + (produced - next),
    damaged,
    largest,
    memory: [early, process.memoryUsage.rss()],
  };
}

class Consumer {
  received = 0;
  missing = 0;
  damaged = 0;
  largest = 0;
  /** The number that comes next when none is lost. */
  next = 0;
  readonly #reader: EventReader<Uint8Array>;
  readonly #options: SoakOptions;

  constructor(reader: EventReader<Uint8Array>, options: SoakOptions) {
    this.#reader = reader;
    this.#options = options;
  }

  async run(): Promise<this> {
    const { pauseMs, batchesPerPause } = this.#options;
    let batches = 0;
    for await (const batch of this.#reader.batches()) {
      this.#check(batch);
      if (++batches % batchesPerPause === 0 && !this.#reader.closed) await sleep(pauseMs);
    }
    return this;
  }

  #check({
    length,
    view,
    offsets,
    lengths,
  }: {
    length: number;
    view: DataView;
    offsets: Uint32Array;
    lengths: Uint32Array;
  }): void {
    const { kind } = this.#options;
    for (let index = 0; index < length; index++) {
      const offset = offsets[index] ?? 0;
      const given = lengths[index] ?? 0;
      const number = Number(view.getBigUint64(offset, littleEndian));
      const size = sizeOf(number, kind);
      // A perf sample is padded with its length of four bytes to eight.
      const expected = kind === 'ring' ? size : Math.ceil((size + 4) / 8) * 8 - 4;
      const end = size > 8 ? view.getUint8(offset + size - 1) : number & 255;
      if (number < this.next || given !== expected || end !== (number & 255)) this.damaged++;
      this.missing += number - this.next;
      this.next = number + 1;
      this.received++;
      if (size > this.largest) this.largest = size;
    }
  }
}
