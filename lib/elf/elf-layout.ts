import type { ByteReader } from '../binary/index.js';

/** Where the fields of an ELF file's structures are: they differ between files of 32 and of 64 bits. */
export interface ElfLayout {
  readonly bits: 32 | 64;
  /** Bytes of an address, an offset or a size. */
  readonly word: 4 | 8;
  readonly header: {
    readonly size: number;
    readonly segments: number;
    readonly sections: number;
    readonly flags: number;
  };
  readonly segment: Fields<'type' | 'flags' | 'offset' | 'address' | 'fileSize' | 'memorySize'>;
  readonly section: Fields<
    'name' | 'type' | 'flags' | 'address' | 'offset' | 'size' | 'link' | 'info' | 'alignment' | 'entrySize'
  >;
  readonly symbol: Fields<'name' | 'info' | 'other' | 'section' | 'value' | 'size'>;
}

type Fields<Name extends string> = { readonly bytes: number } & Readonly<Record<Name, number>>;

// System V ABI, chapter 4 ("Object Files") and 5 ("Program Header"); include/uapi/linux/elf.h.
const elf64: ElfLayout = {
  bits: 64,
  word: 8,
  header: { size: 64, segments: 32, sections: 40, flags: 48 },
  segment: { bytes: 56, type: 0, flags: 4, offset: 8, address: 16, fileSize: 32, memorySize: 40 },
  section: {
    bytes: 64,
    ...{
      name: 0,
      type: 4,
      flags: 8,
      address: 16,
      offset: 24,
      size: 32,
      link: 40,
      info: 44,
      alignment: 48,
      entrySize: 56,
    },
  },
  symbol: { bytes: 24, name: 0, info: 4, other: 5, section: 6, value: 8, size: 16 },
};

const elf32: ElfLayout = {
  bits: 32,
  word: 4,
  header: { size: 52, segments: 28, sections: 32, flags: 36 },
  segment: { bytes: 32, type: 0, flags: 24, offset: 4, address: 8, fileSize: 16, memorySize: 20 },
  section: {
    bytes: 40,
    ...{
      name: 0,
      type: 4,
      flags: 8,
      address: 12,
      offset: 16,
      size: 20,
      link: 24,
      info: 28,
      alignment: 32,
      entrySize: 36,
    },
  },
  symbol: { bytes: 16, name: 0, info: 12, other: 13, section: 14, value: 4, size: 8 },
};

/** The layout of a file by the byte at offset 4 (`EI_CLASS`); undefined for one that no ABI defines. */
export function elfLayout(fileClass: number | undefined): ElfLayout | undefined {
  return fileClass === 2 ? elf64 : fileClass === 1 ? elf32 : undefined;
}

/** An address, offset or size of the file's width. */
export function readWord(reader: ByteReader, layout: ElfLayout, offset: number): number {
  return layout.word === 8 ? reader.u64AsNumber(offset) : reader.u32(offset);
}
