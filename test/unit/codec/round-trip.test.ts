import { isDeepStrictEqual } from 'node:util';

import fc from 'fast-check';

import {
  array,
  be16,
  be32,
  be64,
  bool,
  bytes,
  cstr,
  enumeration,
  f64,
  i16,
  i32,
  i64,
  i8,
  ipAddress,
  ipText,
  LayoutCodec,
  pointer,
  struct,
  u16,
  u32,
  u64,
  u8,
  type Codec,
} from '../../../lib/codec/index.js';
import { bothWays, encoded, toHex, viewOf } from './support.js';

/** A declared type, and values of it that decode to what was encoded. */
interface Sample {
  readonly codec: Codec<unknown>;
  readonly value: fc.Arbitrary<unknown>;
}

const integers = (bits: number, signed: boolean): fc.Arbitrary<number> =>
  signed
    ? fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 })
    : fc.integer({ min: 0, max: 2 ** bits - 1 });
const unsigned = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const signed = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

const scalars: fc.Arbitrary<Sample> = fc.constantFrom<Sample>(
  { codec: u8, value: integers(8, false) },
  { codec: i8, value: integers(8, true) },
  { codec: u16, value: integers(16, false) },
  { codec: i16, value: integers(16, true) },
  { codec: be16, value: integers(16, false) },
  { codec: u32, value: integers(32, false) },
  { codec: i32, value: integers(32, true) },
  { codec: be32, value: integers(32, false) },
  { codec: u64, value: unsigned },
  { codec: i64, value: signed },
  { codec: be64, value: unsigned },
  { codec: u64.asString, value: unsigned.map(String) },
  { codec: i64.asString, value: signed.map(String) },
  { codec: u64.asNumber, value: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }) },
  { codec: i64.asNumber, value: fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }) },
  { codec: f64, value: fc.double() },
  { codec: bool, value: fc.boolean() },
  { codec: pointer, value: unsigned },
  {
    codec: enumeration(u8, ['no', 'yes']),
    value: fc.oneof(fc.constantFrom('no', 'yes'), fc.integer({ min: 2, max: 255 })),
  },
  { codec: ipAddress(4), value: fc.uint8Array({ minLength: 4, maxLength: 4 }).map(ipText) },
  { codec: ipAddress(16), value: fc.uint8Array({ minLength: 16, maxLength: 16 }).map(ipText) },
  { codec: ipAddress(16), value: fc.uint8Array({ minLength: 4, maxLength: 4 }).map(ipText) },
);

const strings: fc.Arbitrary<Sample> = fc.integer({ min: 0, max: 90 }).map((length) => ({
  codec: cstr(length),
  value: fc
    .string({ unit: 'grapheme', maxLength: length })
    .filter((text) => !text.includes('\0') && Buffer.byteLength(text) <= length),
}));
const byteArrays: fc.Arbitrary<Sample> = fc
  .integer({ min: 0, max: 20 })
  .map((length) => ({ codec: bytes(length), value: fc.uint8Array({ minLength: length, maxLength: length }) }));

const { sample } = fc.letrec<{ sample: Sample; array: Sample; struct: Sample }>((tie) => ({
  sample: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    { arbitrary: scalars, weight: 5 },
    { arbitrary: strings, weight: 1 },
    { arbitrary: byteArrays, weight: 1 },
    { arbitrary: tie('array'), weight: 1 },
    { arbitrary: tie('struct'), weight: 3 },
  ),
  array: fc.tuple(tie('sample'), fc.integer({ min: 0, max: 20 })).map(([element, length]) => ({
    codec: array(element.codec, length),
    value: fc.array(element.value, { minLength: length, maxLength: length, size: 'max' }),
  })),
  struct: fc
    .tuple(
      fc.dictionary(fc.constantFrom('a', 'b', 'c', 'ts', 'pid', 'comm', 'constructor', 'toString'), tie('sample'), {
        minKeys: 1,
        maxKeys: 8,
        noNullPrototype: true,
      }),
      fc.boolean(),
    )
    .map(([fields, packed]) => {
      const entries = Object.entries(fields);
      return {
        codec: struct('s', Object.fromEntries(entries.map(([name, { codec }]) => [name, codec])), { packed }),
        value: fc.record(Object.fromEntries(entries.map(([name, { value }]) => [name, value])), {
          noNullPrototype: true,
        }),
      };
    }),
}));

const withValue = sample.chain(({ codec, value }) => fc.tuple(fc.constant(codec), value, fc.boolean()));

test('what is encoded is decoded again, generated code and interpreter agree on every byte', () => {
  fc.assert(
    fc.property(withValue, ([{ layout }, value, littleEndian]) => {
      const made = bothWays(layout, littleEndian).map(({ codec }) => {
        const bytesMade = encoded(codec, value);
        // Not toStrictEqual: a field named "constructor" confuses it.
        expect(isDeepStrictEqual(codec.decode(viewOf(bytesMade), 0), value)).toBe(true);
        return toHex(bytesMade);
      });
      expect(made[0]).toBe(made[1]);
    }),
    { numRuns: 300 },
  );
});

test('whatever the bytes are, both ways decode the same or refuse the same', () => {
  fc.assert(
    fc.property(sample, fc.boolean(), fc.infiniteStream(fc.nat(255)), ({ codec: { layout } }, littleEndian, random) => {
      const noise = Uint8Array.from({ length: layout.size }, () => random.next().value as number);
      const [generated, interpreted] = bothWays(layout, littleEndian).map(({ codec }) => {
        try {
          return { value: codec.decode(viewOf(noise), 0) };
        } catch (error) {
          return { refused: (error as Error).message };
        }
      });
      expect(isDeepStrictEqual(interpreted, generated)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test('a declared type lies in bytes as C lays it out', () => {
  fc.assert(
    fc.property(sample, ({ codec }) => {
      expect(codec.size % codec.alignment).toBe(0);
      expect(codec).toBeInstanceOf(LayoutCodec);
      const { layout } = codec;
      if (layout.kind !== 'struct') return;
      let end = 0;
      for (const { offset, layout: member } of layout.members) {
        expect(offset).toBeGreaterThanOrEqual(end);
        if (layout.alignment > 1) expect(offset % member.alignment).toBe(0);
        end = offset + member.size;
      }
      expect(layout.size - end).toBeGreaterThanOrEqual(0);
      expect(layout.size - end).toBeLessThan(layout.alignment);
    }),
  );
});
