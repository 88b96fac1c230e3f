import { Writable } from 'node:stream';

import { Output } from '../../../lib/cli/output.js';

/** Takes one chunk at a time, each only when it is let through. */
class SlowStream extends Writable {
  taken = '';
  #take: ((error?: Error) => void) | undefined;

  constructor() {
    super({ highWaterMark: 4, decodeStrings: false });
  }

  override _write(chunk: string, _encoding: string, callback: (error?: Error) => void): void {
    this.taken += chunk;
    this.#take = callback;
  }

  let(error?: Error): void {
    const take = this.#take;
    this.#take = undefined;
    take?.(error);
  }
}

function settled(promise: Promise<void>): () => boolean {
  let done = false;
  void promise.then(() => (done = true));
  return () => done;
}

const turn = async (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

test('waits until what was written is taken', async () => {
  const stream = new SlowStream();
  const output = new Output(stream, () => {});
  await output.write('ab');
  const first = settled(output.write('cdef'));
  const second = settled(output.write('g'));
  await turn();
  expect([first(), second()]).toEqual([false, false]);
  stream.let();
  stream.let();
  await turn();
  stream.let();
  await turn();
  stream.let();
  await turn();
  expect([first(), second()]).toEqual([true, true]);
  expect(stream.taken).toBe('abcdefg');
});

test('a closed pipe ends it without a failure, and lets go of who waits', async () => {
  const stream = new SlowStream();
  let ends = 0;
  const output = new Output(stream, () => ends++);
  const waiting = output.write('abcdef');
  stream.let(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
  await waiting;
  expect(ends).toBe(1);
  expect(output.ended).toBe(true);
  await output.write('more');
  expect(stream.taken).toBe('abcdef');
  expect(() => output.throwIfFailed()).not.toThrow();
});

test('any other failure is kept', async () => {
  const stream = new SlowStream();
  const output = new Output(stream, () => {});
  const waiting = output.write('abcdef');
  stream.let(Object.assign(new Error('write ENOSPC'), { code: 'ENOSPC' }));
  await waiting;
  expect(() => output.throwIfFailed()).toThrow('ENOSPC');
});
