import type { Btf } from '../btf/index.js';

// Stands in for BTF.ext, withDataSections, typeName and codecs, which land next; removed with them.

export interface BtfExt {
  readonly functions: readonly { section: string; offsets: Uint32Array; typeIds: Uint32Array }[];
  readonly lines: readonly {
    section: string;
    offsets: Uint32Array;
    fileNames: Uint32Array;
    texts: Uint32Array;
    lineColumns: Uint32Array;
  }[];
  readonly coreRelocations: readonly {
    section: string;
    offsets: Uint32Array;
    typeIds: Uint32Array;
    accessStrings: Uint32Array;
    kinds: Uint32Array;
  }[];
}

export const BtfExt: { parse(bytes: Uint8Array, btf: Btf, options: { name: string }): BtfExt } = {
  parse: () => ({ functions: [], lines: [], coreRelocations: [] }),
};

export function typeName(btf: Btf, id: number): string {
  return btf.nameOf(id);
}

export function withDataSections(btf: Btf, _sections: ReadonlyMap<string, unknown>): Uint8Array {
  return btf.bytes;
}

export interface Codec<T> {
  readonly typeName: string;
  readonly size: number;
  decode(view: DataView, offset: number): T;
  encode(value: T, view: DataView, offset: number, path?: string): void;
}

export function codecFromBtf(btf: Btf, typeId: number, _options: { littleEndian: boolean }): Codec<unknown> {
  return { typeName: '', size: btf.sizeOf(typeId), decode: () => undefined, encode: () => undefined };
}
