import { Btf, BtfBuilder, type BtfMember } from '../../../lib/btf/index.js';
import { codecFromBtf, LayoutCodec, type BtfCodecOptions, type Codec, type Layout } from '../../../lib/codec/index.js';

/** A BTF builder with the types that C programs are made of. */
export class Types {
  readonly builder: BtfBuilder;
  readonly #known = new Map<string, number>();

  constructor(littleEndian = true) {
    this.builder = new BtfBuilder({ littleEndian });
  }

  get u8(): number {
    return this.#once('unsigned char', () => this.builder.addInt('unsigned char', { size: 1 }));
  }
  get s8(): number {
    return this.#once('signed char', () => this.builder.addInt('signed char', { size: 1, signed: true }));
  }
  get char(): number {
    return this.#once('char', () => this.builder.addInt('char', { size: 1, signed: true }));
  }
  get u16(): number {
    return this.#once('unsigned short', () => this.builder.addInt('unsigned short', { size: 2 }));
  }
  get s16(): number {
    return this.#once('short', () => this.builder.addInt('short', { size: 2, signed: true }));
  }
  get u32(): number {
    return this.#once('unsigned int', () => this.builder.addInt('unsigned int', { size: 4 }));
  }
  get s32(): number {
    return this.#once('int', () => this.builder.addInt('int', { size: 4, signed: true }));
  }
  get u64(): number {
    return this.#once('unsigned long long', () => this.builder.addInt('unsigned long long', { size: 8 }));
  }
  get s64(): number {
    return this.#once('long long', () => this.builder.addInt('long long', { size: 8, signed: true }));
  }
  get u128(): number {
    return this.#once('unsigned __int128', () => this.builder.addInt('unsigned __int128', { size: 16 }));
  }
  get s128(): number {
    return this.#once('__int128', () => this.builder.addInt('__int128', { size: 16, signed: true }));
  }
  get bool(): number {
    return this.#once('_Bool', () => this.builder.addInt('_Bool', { size: 1, bool: true }));
  }

  typedef(name: string, type: number): number {
    return this.builder.addTypedef(name, type);
  }

  array(element: number, ...lengths: number[]): number {
    return lengths.reduceRight((type, length) => this.builder.addArray(type, this.u32, length), element);
  }

  /** Members are [name, type, byte offset] or [name, type, bit offset, bit size]. */
  struct(name: string, size: number, members: readonly (readonly [string, number, number, number?])[]): number {
    return this.builder.addStruct(name, size, members.map(member));
  }

  union(name: string, size: number, members: readonly (readonly [string, number, number, number?])[]): number {
    return this.builder.addUnion(name, size, members.map(member));
  }

  btf(): Btf {
    return Btf.parse(this.builder.encode(), { name: 'test.bpf.o' });
  }

  #once(name: string, add: () => number): number {
    let id = this.#known.get(name);
    if (id === undefined) this.#known.set(name, (id = add()));
    return id;
  }
}

function member([name, type, offset, bitSize]: readonly [string, number, number, number?]): BtfMember {
  return bitSize === undefined
    ? { name, type, bitOffset: offset * 8, bitSize: 0 }
    : { name, type, bitOffset: offset, bitSize };
}

/** The BTF that `build` makes, and the codec of the type it returns. */
export function built(
  build: (types: Types) => number,
  options: BtfCodecOptions = {},
): { btf: Btf; id: number; codec: Codec<unknown> } {
  const types = new Types(options.littleEndian ?? true);
  const id = build(types);
  const btf = types.btf();
  btf.validate();
  return { btf, id, codec: codecFromBtf(btf, id, options) };
}

export interface Compilation {
  readonly how: 'generated' | 'interpreted';
  readonly codec: Codec<unknown>;
}

/** The same layout with generated code and without. */
export function bothWays(layout: Layout, littleEndian = true): Compilation[] {
  return [
    { how: 'generated', codec: new LayoutCodec(layout, { littleEndian, generateCode: true }) },
    { how: 'interpreted', codec: new LayoutCodec(layout, { littleEndian, generateCode: false }) },
  ];
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replace(/\s/g, ''), 'hex'));
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** The bytes that encoding makes out of a buffer full of ones, so that what is not written shows. */
export function encoded(codec: Codec<unknown>, value: unknown): Uint8Array {
  const bytes = new Uint8Array(codec.size).fill(0xff);
  codec.encode(value, viewOf(bytes), 0);
  return bytes;
}

export function caught(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
