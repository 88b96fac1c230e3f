// What mutations start from: the sample objects of both byte orders, each with a small kernel that it fits, and where in its bytes
// the fields are that a reader believes.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { Btf, BtfBuilder, BtfKind, essentialName } from '../../../lib/btf/index.js';
import { ElfFile, SectionFlag, SectionType, type ElfSection } from '../../../lib/elf/index.js';

/** A number in the file. */
export interface Field {
  /** In bytes, from the file's start. */
  readonly at: number;
  readonly width: 1 | 2 | 4 | 8;
}

/** What fields belong to: each area is as likely to be changed as any other, however few fields it has. */
export const areas = [
  'ELF header',
  'section header',
  'symbol',
  'relocation',
  'BTF header',
  'BTF type',
  'BTF string',
  'BTF.ext header',
  'BTF.ext record',
  'instruction',
  'byte',
] as const;
export type Area = (typeof areas)[number];

/** Bytes that can be damaged with an eye to what they mean. */
export interface Subject {
  readonly bytes: Uint8Array;
  readonly littleEndian: boolean;
  readonly fields: ReadonlyMap<Area, readonly Field[]>;
  /** Offsets of the section headers. */
  readonly headers: readonly number[];
}

export interface SeedObject extends Subject {
  readonly name: string;
  /** The BTF of a kernel that has all that the object asks for. */
  readonly kernel: Subject;
}

const folder = path.join(__dirname, '..', '..', '..', 'bpf-samples');
const otherCompilers = 'other-compilers';
const attachedTo = /^(?:fentry|fexit|lsm|tp_btf|iter)\/(.+)$/;
const prefixes: Readonly<Record<string, string>> = { lsm: 'bpf_lsm_', tp_btf: 'btf_trace_', iter: 'bpf_iter_' };

export function seedObjects(): SeedObject[] {
  const others = readdirSync(path.join(folder, otherCompilers)).map((name) => path.join(otherCompilers, name));
  return [...readdirSync(folder), ...others]
    .filter((name) => name.endsWith('.o'))
    .sort()
    .map((name) => seedObject(name, new Uint8Array(readFileSync(path.join(folder, name)))));
}

export function seedObject(name: string, bytes: Uint8Array): SeedObject {
  const elf = ElfFile.parse(bytes, { name });
  const table = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(40, elf.littleEndian));
  const headers = elf.sections.map((_, index) => table + index * 64);
  const { littleEndian } = elf;
  return { name, bytes, littleEndian, fields: fieldsOf(elf, bytes, headers), headers, kernel: kernelFor(elf) };
}

type Layout = readonly (readonly [offset: number, width: Field['width']])[];

const header: Layout = [4, 5, 6, 7, 8].map((at) => [at, 1] as const);
const elfHeader: Layout = [
  ...header,
  ...[16, 18, 52, 54, 56, 58, 60, 62].map((at) => [at, 2] as const),
  ...[20, 48].map((at) => [at, 4] as const),
  ...[24, 32, 40].map((at) => [at, 8] as const),
];
const sectionHeader: Layout = [
  ...[0, 4, 40, 44].map((at) => [at, 4] as const),
  ...[8, 16, 24, 32, 48, 56].map((at) => [at, 8] as const),
];
const symbol: Layout = [
  [0, 4],
  [4, 1],
  [5, 1],
  [6, 2],
  [8, 8],
  [16, 8],
];
const relocation: Layout = [
  [0, 8],
  [8, 4],
  [12, 4],
];
const btfHeader: Layout = [[0, 2], [2, 1], [3, 1], ...[4, 8, 12, 16, 20].map((at) => [at, 4] as const)];
const extHeader: Layout = [...btfHeader, [24, 4], [28, 4]];
const instruction: Layout = [
  [0, 1],
  [1, 1],
  [2, 2],
  [4, 4],
];
const word: Layout = [[0, 4]];
const byte: Layout = [[0, 1]];

/** `layout` once every `stride` bytes of a stretch. */
function repeated(start: number, length: number, layout: Layout, stride: number): Field[] {
  const fields: Field[] = [];
  for (let record = start; record + stride <= start + length; record += stride) {
    for (const [offset, width] of layout) fields.push({ at: record + offset, width });
  }
  return fields;
}

function fieldsOf(elf: ElfFile, bytes: Uint8Array, headers: readonly number[]): Map<Area, Field[]> {
  const inSections = (matches: (section: ElfSection) => boolean, layout: Layout, stride: number): Field[] =>
    elf.sections
      .filter(matches)
      .flatMap(({ offset, bytes: { byteLength } }) => repeated(offset, byteLength, layout, stride));
  const btf = elf.section('.BTF');
  const ext = elf.section('.BTF.ext');
  return new Map<Area, Field[]>([
    ['ELF header', repeated(0, 64, elfHeader, 64)],
    ['section header', headers.flatMap((at) => repeated(at, 64, sectionHeader, 64))],
    ['symbol', inSections(({ type }) => type === SectionType.SYMTAB, symbol, 24)],
    ['relocation', inSections(({ type }) => type === SectionType.REL, relocation, 16)],
    ...(btf === undefined ? [] : btfFields(btf.bytes, btf.offset)),
    ['BTF.ext header', ext === undefined ? [] : repeated(ext.offset, 32, extHeader, 32)],
    ['BTF.ext record', ext === undefined ? [] : repeated(ext.offset + 32, ext.size - 32, word, 4)],
    ['instruction', inSections(({ flags }) => (flags & SectionFlag.EXECINSTR) !== 0, instruction, 8)],
    ['byte', repeated(0, bytes.byteLength, byte, 1)],
  ]);
}

function btfFields(bytes: Uint8Array, start: number): [Area, Field[]][] {
  const { header } = Btf.parse(bytes, { name: 'seed' });
  return [
    ['BTF header', repeated(start, 24, btfHeader, 24)],
    ['BTF type', repeated(start + header.typesOffset, header.typesLength, word, 4)],
    ['BTF string', repeated(start + header.stringsOffset, header.stringsLength, byte, 1)],
  ];
}

/** The object's own types under their essential names, and what its sections attach to. */
function kernelFor(elf: ElfFile): Subject {
  const builder = new BtfBuilder({ littleEndian: elf.littleEndian });
  const section = elf.section('.BTF');
  const btf = section === undefined ? undefined : Btf.parse(section.bytes, { name: elf.name });
  for (let id = 1; btf !== undefined && id < btf.endId; id++) {
    const type = btf.type(id);
    const named = type.kind === BtfKind.STRUCT || type.kind === BtfKind.UNION || type.kind === BtfKind.ENUM;
    builder.add(named ? { ...type, name: essentialName(type.name) } : type);
  }
  const prototype = builder.addFunctionPrototype(0, []);
  for (const { name } of elf.sections) {
    const [, target] = attachedTo.exec(name) ?? [];
    if (target === undefined) continue;
    const prefix = prefixes[name.split('/')[0] ?? ''] ?? '';
    if (prefix === 'btf_trace_') builder.addTypedef(prefix + target, prototype);
    else builder.addFunction(prefix + target, prototype, 1);
  }
  const bytes = builder.encode();
  const fields = new Map<Area, Field[]>([...btfFields(bytes, 0), ['byte', repeated(0, bytes.byteLength, byte, 1)]]);
  return { bytes, littleEndian: elf.littleEndian, fields, headers: [] };
}
