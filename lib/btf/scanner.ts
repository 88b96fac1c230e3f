import { hostIsLittleEndian } from '../binary/index.js';
import type { BtfHeader } from './btf-header.js';
import { kindLayouts, typeHeaderWords } from './btf-kind.js';
import { mostBucketBits, type BucketSearch } from './prefix-index.js';
import { scanModule } from './scan-module.generated.js';

/** What one pass over all types finds: see TypeTable and PrefixIndex. */
export interface ScannedTypes {
  readonly count: number;
  readonly offsets: Uint32Array;
  readonly heads: Uint32Array;
  readonly next: Uint32Array;
  readonly search: BucketSearch;
}

/** As far as it is used here: Node's types have none of it. */
interface WebAssemblyFace {
  readonly Memory: new (size: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly btf: { readonly memory: object } },
  ) => { readonly exports: Readonly<Record<'scan' | 'find', (...places: readonly number[]) => number>> };
}

const pageSize = 65_536;
const leastRecord = typeHeaderWords * 4;
/** The number of a kind has seven bits; for each the bytes of a record and of an item. */
const sizesLength = 128 * 8;
const headsLength = (1 << mostBucketBits) * 4;
/** A count of four bytes and a name: longer ones are looked for in JavaScript. */
const scratchLength = 256;
/** Beyond this an address may not have 32 bits. */
const mostBytes = 0x4000_0000;

/** Memory that {@link allocateBtf} gave and no BTF was read in yet, by its buffer. */
const memories = new WeakMap<
  ArrayBufferLike,
  { readonly memory: object; readonly wasm: WebAssemblyFace; readonly byteLength: number }
>();

/**
 * Bytes to read a large BTF into: in memory that WebAssembly reaches, so that {@link Btf.parse} takes a fourth of the time
 * in a process that does it once. Plain ones where there is no WebAssembly (`--jitless`), or not enough address space.
 */
export function allocateBtf(byteLength: number): Uint8Array {
  const { WebAssembly: wasm } = globalThis as { readonly WebAssembly?: WebAssemblyFace };
  if (wasm === undefined || !hostIsLittleEndian || byteLength > mostBytes) return new Uint8Array(byteLength);
  const { end } = placesAfter(byteLength);
  try {
    const memory = new wasm.Memory({ initial: Math.ceil(end / pageSize) });
    memories.set(memory.buffer, { memory, wasm, byteLength });
    return new Uint8Array(memory.buffer, 0, byteLength);
  } catch {
    return new Uint8Array(byteLength);
  }
}

/** Where the pass writes, behind the bytes. */
function placesAfter(byteLength: number): Record<'sizes' | 'heads' | 'offsets' | 'next' | 'scratch' | 'end', number> {
  const perType = Math.ceil(byteLength / leastRecord) * 4;
  // The pass reads four bytes where a name begins, the last of the strings too.
  const sizes = Math.ceil((byteLength + 4) / 8) * 8;
  const heads = sizes + sizesLength;
  const offsets = heads + headsLength;
  const next = offsets + perType;
  const scratch = next + perType;
  return { sizes, heads, offsets, next, scratch, end: scratch + scratchLength };
}

/**
 * Looks through the types of a BTF without a base; undefined when its bytes are none that {@link allocateBtf} gave, or are
 * malformed: then TypeScript does it, and says what is wrong.
 */
export function scanTypes(bytes: Uint8Array, header: BtfHeader): ScannedTypes | undefined {
  const { buffer } = bytes;
  const reached = memories.get(buffer);
  if (reached === undefined || !header.littleEndian || bytes.byteOffset !== 0) return undefined;
  // The places behind the bytes are for one BTF.
  memories.delete(buffer);
  const { memory, wasm, byteLength } = reached;
  const { sizes, heads, offsets, next, scratch } = placesAfter(byteLength);
  writeSizes(new Uint32Array(buffer, sizes, sizesLength / 4));
  const { typesOffset, typesLength, stringsOffset, stringsLength } = header;
  let count: number;
  let find: (...places: readonly number[]) => number;
  try {
    const { exports } = new wasm.Instance(new wasm.Module(Buffer.from(scanModule, 'base64')), { btf: { memory } });
    const places = [typesOffset, typesOffset + typesLength, stringsOffset, stringsLength];
    ({ find } = exports);
    count = exports.scan(...places, sizes, heads, 32 - mostBucketBits, offsets, next);
  } catch {
    // A page's policy, as in Electron, may forbid WebAssembly to compile.
    return undefined;
  }
  if (count < 0) return undefined;
  const array = (at: number, length: number): Uint32Array => new Uint32Array(buffer, at, length);
  const [steps, name] = [array(scratch, 1), new Uint8Array(buffer, scratch + 4, scratchLength - 4)];
  const search: BucketSearch = {
    longestName: name.length,
    get steps() {
      return steps[0] ?? 0;
    },
    find(link, wanted, length) {
      name.set(wanted.subarray(0, length));
      return find(link, length, typesOffset, stringsOffset, stringsLength, offsets, next, scratch);
    },
  };
  return {
    ...{ count, offsets: array(offsets, count) },
    ...{ heads: array(heads, headsLength / 4), next: array(next, count), search },
  };
}

function writeSizes(sizes: Uint32Array): void {
  for (const [kind, { fixed, perItem }] of kindLayouts.entries()) {
    // No type is of kind 0.
    if (kind === 0) continue;
    sizes[kind * 2] = (typeHeaderWords + fixed) * 4;
    sizes[kind * 2 + 1] = perItem * 4;
  }
}
