// Damage done to an object, as data: fast-check makes it from a seed, makes it smaller when it has found something, and prints it.
import fc from 'fast-check';

import { areas, type Area, type Field, type Subject } from './seed-objects.js';

/** A field gets another value. */
interface FieldEdit {
  readonly edit: 'field';
  readonly area: Area;
  readonly field: number;
  readonly value: Value;
}

type Value =
  | { readonly value: 'extreme'; readonly choice: number }
  | { readonly value: 'near'; readonly by: number }
  | { readonly value: 'any'; readonly number: number }
  | { readonly value: 'another'; readonly field: number };

/** The file ends early. */
interface CutEdit {
  readonly edit: 'cut';
  readonly at: number;
}

/** One section takes another's header, its place in the file, or both change places. */
interface SectionEdit {
  readonly edit: 'section';
  readonly how: 'duplicate' | 'overlap' | 'swap';
  readonly from: number;
  readonly to: number;
}

/** Bytes are copied over others. */
interface CopyEdit {
  readonly edit: 'copy';
  readonly from: number;
  readonly to: number;
  readonly length: number;
}

export type Edit = FieldEdit | CutEdit | SectionEdit | CopyEdit;

const value: fc.Arbitrary<Value> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ value: fc.constant('extreme' as const), choice: fc.nat(30) }) },
  { weight: 2, arbitrary: fc.record({ value: fc.constant('near' as const), by: fc.integer({ min: -16, max: 16 }) }) },
  { weight: 1, arbitrary: fc.record({ value: fc.constant('any' as const), number: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ value: fc.constant('another' as const), field: fc.nat() }) },
);

const edit: fc.Arbitrary<Edit> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      edit: fc.constant('field' as const),
      area: fc.constantFrom(...areas),
      field: fc.nat(),
      value,
    }),
  },
  { weight: 1, arbitrary: fc.record({ edit: fc.constant('cut' as const), at: fc.nat() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      edit: fc.constant('section' as const),
      how: fc.constantFrom('duplicate' as const, 'overlap' as const, 'swap' as const),
      from: fc.nat(),
      to: fc.nat(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ edit: fc.constant('copy' as const), from: fc.nat(), to: fc.nat(), length: fc.nat(256) }),
  },
);

/** One to eight edits: one alone finds missing checks, several what a check took for granted. */
export const edits: fc.Arbitrary<Edit[]> = fc.array(edit, { minLength: 1, maxLength: 8 });

export function mutated(subject: Subject, changes: readonly Edit[]): Uint8Array {
  let bytes = subject.bytes.slice();
  for (const change of changes) {
    switch (change.edit) {
      case 'field': {
        const fields = subject.fields.get(change.area) ?? [];
        const field = fields[change.field % Math.max(1, fields.length)];
        if (field !== undefined) write(bytes, subject, field, change.value, fields);
        break;
      }
      case 'cut':
        bytes = bytes.slice(0, change.at % (bytes.byteLength + 1));
        break;
      case 'section':
        editSections(bytes, subject, change);
        break;
      case 'copy': {
        const from = change.from % (bytes.byteLength + 1);
        bytes.copyWithin(change.to % (bytes.byteLength + 1), from, from + change.length);
        break;
      }
    }
  }
  return bytes;
}

/** What a field may hold at most or least, and the sizes that a reader may compare it with. */
export function extremesOf(width: number, present: bigint, length: number): bigint[] {
  const most = (1n << BigInt(width * 8)) - 1n;
  const size = BigInt(length);
  const wanted = [0n, 1n, most, (most >> 1n) + 1n, size, size - 1n, size + 1n, present + 1n, present - 1n];
  return unsigned(width, wanted);
}

/** More of them, for a search that takes one at a time. */
function edgesOf(width: number, present: bigint, length: number): bigint[] {
  const others = [present * 2n, present + 8n, 2n, 3n, 7n, 8n, 0xffffn, 0xff_ffffn, 0xffff_fff8n, 1n << 32n];
  return unsigned(width, [...extremesOf(width, present, length), ...others]);
}

function unsigned(width: number, values: readonly bigint[]): bigint[] {
  return [...new Set(values.map((one) => BigInt.asUintN(width * 8, one)))];
}

function write(bytes: Uint8Array, subject: Subject, field: Field, choice: Value, fields: readonly Field[]): void {
  const present = readField(bytes, field, subject.littleEndian);
  if (present === undefined) return;
  let result: bigint;
  switch (choice.value) {
    case 'extreme': {
      const extremes = edgesOf(field.width, present, bytes.byteLength);
      result = extremes[choice.choice % extremes.length] ?? 0n;
      break;
    }
    case 'near':
      result = present + BigInt(choice.by);
      break;
    case 'any':
      result = BigInt(choice.number);
      break;
    case 'another':
      result =
        readField(
          bytes,
          { at: fields[choice.field % fields.length]?.at ?? 0, width: field.width },
          subject.littleEndian,
        ) ?? 0n;
      break;
  }
  writeField(bytes, field, result, subject.littleEndian);
}

export function readField(bytes: Uint8Array, { at, width }: Field, littleEndian: boolean): bigint | undefined {
  if (at + width > bytes.byteLength) return undefined;
  const field = bytes.subarray(at, at + width);
  const mostFirst = littleEndian ? Array.from(field).reverse() : Array.from(field);
  return mostFirst.reduce((sum, one) => (sum << 8n) | BigInt(one), 0n);
}

export function writeField(bytes: Uint8Array, { at, width }: Field, number: bigint, littleEndian: boolean): void {
  for (let index = 0; index < width; index++) {
    const shift = BigInt((littleEndian ? index : width - 1 - index) * 8);
    bytes[at + index] = Number((BigInt.asUintN(width * 8, number) >> shift) & 0xffn);
  }
}

const HEADER_SIZE = 64;
/** Of `sh_offset` and `sh_size`, which are next to each other. */
const PLACE = 24;
const PLACE_SIZE = 16;

function editSections(bytes: Uint8Array, { headers }: Subject, { how, from, to }: SectionEdit): void {
  const source = headers[from % headers.length];
  const target = headers[to % headers.length];
  if (source === undefined || target === undefined) return;
  if (Math.max(source, target) + HEADER_SIZE > bytes.byteLength) return;
  const header = bytes.slice(source, source + HEADER_SIZE);
  switch (how) {
    case 'duplicate':
      bytes.set(header, target);
      break;
    case 'overlap':
      bytes.set(header.subarray(PLACE, PLACE + PLACE_SIZE), target + PLACE);
      break;
    case 'swap':
      bytes.copyWithin(source, target, target + HEADER_SIZE);
      bytes.set(header, target);
      break;
  }
}
