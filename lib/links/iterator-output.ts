import { TextDecoder } from 'node:util';

import type { Codec } from '../codec/index.js';
import { EbpfError, KernelError, UsageError, quote } from '../errors/index.js';
import { readIterator, type Handle } from '../sys/index.js';

/** The kernel's own buffer has eight pages (bpf_seq_read of kernel/bpf/bpf_iter.c): more is never read at once. */
const batchBytes = 64 * 1024;

/** What an iterator writes, as it was read. Each batch is owned by who gets it. */
export async function* batchesOf(
  start: () => Promise<Handle>,
  signal: AbortSignal | undefined,
  program: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  signal?.throwIfAborted();
  const iterator = await start();
  try {
    for (;;) {
      signal?.throwIfAborted();
      const buffer = new Uint8Array(batchBytes);
      const length = await read(iterator, buffer, program);
      signal?.throwIfAborted();
      if (length === 0) return;
      yield buffer.subarray(0, length);
    }
  } finally {
    await iterator.closeAsync();
  }
}

async function read(iterator: Handle, buffer: Uint8Array, program: string): Promise<number> {
  try {
    return await readIterator(iterator, buffer);
  } catch (error) {
    if (!EbpfError.is(error) || error.errnoName !== 'E2BIG') throw error;
    const advice = 'it wrote more about one thing than the kernel has room for, which is eight pages of memory';
    throw new KernelError(`read iterator ${quote(program)}`, 'read', error.errno ?? 0, { advice, cause: error });
  }
}

/** What stands between ends of lines, and after the last. */
export async function* linesOf(batches: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const batch of batches) {
    const lines = (rest + decoder.decode(batch, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  rest += decoder.decode();
  if (rest !== '') yield rest;
}

/** Records of one size, wherever the batches end. */
export async function* recordsOf<T>(
  batches: AsyncIterable<Uint8Array>,
  codec: Codec<T, never>,
  program: string,
): AsyncGenerator<T, void, undefined> {
  const { size } = codec;
  if (size === 0) throw UsageError.invalidValue('type', `${codec.typeName} has no bytes`);
  let rest: Uint8Array = new Uint8Array(0);
  for await (const batch of batches) {
    const bytes = rest.length === 0 ? batch : Buffer.concat([rest, batch]);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let offset = 0;
    for (; offset + size <= bytes.length; offset += size) yield codec.decode(view, offset, size);
    rest = bytes.subarray(offset);
  }
  if (rest.length === 0) return;
  throw UsageError.invalidValue(
    'type',
    `iterator ${quote(program)} wrote ${rest.length} bytes after its last whole ${codec.typeName} of ${size}: it writes another type, or text`,
  );
}
