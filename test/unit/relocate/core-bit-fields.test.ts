import fc from 'fast-check';

import { CoreRelocationKind as Kind } from '../../../lib/relocate/core/core-relocation-kind.js';
import { member, TwoSides } from './fixtures.js';

// struct s { unsigned a : 3, b : 7, c : 22; int d : 5; } and the kernel's, where all stand elsewhere.
function movedFields(littleEndian: boolean): TwoSides {
  return new TwoSides(
    (builder, { u32, int }) => {
      builder.addStruct('s', 8, [
        member('a', u32, 0, 3),
        member('b', u32, 3, 7),
        member('c', u32, 10, 22),
        member('d', int, 32, 5),
      ]);
    },
    (builder, { u8, u32, int, u64 }) => {
      builder.addStruct('s', 24, [
        member('before', u64, 0),
        member('a', u8, 66, 3),
        member('d', int, 72, 9),
        // Crosses a boundary of its type: read with a load of twice the size.
        member('c', u32, 84, 22),
        member('b', u32, 128),
      ]);
    },
    { littleEndian },
  );
}

test.each([
  [true, 'a', '0:0', { offset: 8n, size: 1n, left: 64n - 5n, right: 61n }],
  [false, 'a', '0:0', { offset: 8n, size: 1n, left: 56n + 2n, right: 61n }],
  [true, 'd', '0:3', { offset: 8n, size: 4n, left: 64n - 17n, right: 55n }],
  [false, 'd', '0:3', { offset: 8n, size: 4n, left: 32n + 8n, right: 55n }],
  [true, 'c', '0:2', { offset: 8n, size: 8n, left: 64n - 42n, right: 42n }],
  [false, 'c', '0:2', { offset: 8n, size: 8n, left: 20n, right: 42n }],
  [true, 'b', '0:1', { offset: 16n, size: 4n, left: 32n, right: 32n }],
  [false, 'b', '0:1', { offset: 16n, size: 4n, left: 32n, right: 32n }],
])('little-endian %s: %s', (littleEndian, _, access, wanted) => {
  const sides = movedFields(littleEndian);
  const ask = (kind: number): bigint | undefined => sides.ask(kind, 's', access).value;
  const answers = {
    offset: ask(Kind.FIELD_BYTE_OFFSET),
    size: ask(Kind.FIELD_BYTE_SIZE),
    left: ask(Kind.FIELD_LSHIFT_U64),
    right: ask(Kind.FIELD_RSHIFT_U64),
  };
  expect(answers).toEqual(wanted);
});

test('the sign is said, and only that and the right shift are checked in the instruction', () => {
  const sides = movedFields(true);
  expect(sides.ask(Kind.FIELD_SIGNED, 's', '0:3')).toMatchObject({ value: 1n, expected: 1n });
  expect(sides.ask(Kind.FIELD_SIGNED, 's', '0:0')).toMatchObject({ value: 0n, expected: 0n });
  expect(sides.ask(Kind.FIELD_RSHIFT_U64, 's', '0:0').expected).toBe(61n);
  for (const kind of [Kind.FIELD_BYTE_OFFSET, Kind.FIELD_BYTE_SIZE, Kind.FIELD_LSHIFT_U64]) {
    expect(sides.ask(kind, 's', '0:0').expected).toBeUndefined();
  }
});

test('a bit-field that no aligned load of eight bytes holds is refused', () => {
  const sides = new TwoSides(
    (builder, { u64 }) => {
      builder.addStruct('s', 16, [member('wide', u64, 0, 60)]);
    },
    (builder, { u64 }) => {
      builder.addStruct('s', 16, [member('wide', u64, 30, 60)]);
    },
  );
  expect(() => sides.ask(Kind.FIELD_BYTE_OFFSET, 's', '0:0')).toThrow(/cannot be read with one aligned load/);
});

// What BPF_CORE_READ_BITFIELD does with the four numbers, against a value put into memory bit by bit.
test.each([true, false])('the answers read any bit-field, little-endian %s', (littleEndian) => {
  const value = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
  const background = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const place = fc.record({
    typeSize: fc.constantFrom(1, 4, 8),
    bitOffset: fc.integer({ min: 0, max: 127 }),
    bits: fc.integer({ min: 1, max: 64 }),
  });
  fc.assert(
    fc.property(place, value, background, ({ typeSize, bitOffset, bits }, stored, memory) => {
      const bitSize = Math.min(bits, typeSize * 8);
      fc.pre(Math.floor(bitOffset / 64) === Math.floor((bitOffset + bitSize - 1) / 64));
      const sides = new TwoSides(
        (builder, { u64 }) => {
          builder.addStruct('s', 8, [member('f', u64, 0, 64)]);
        },
        (builder) => {
          const type = builder.addInt('the field', { size: typeSize });
          builder.addStruct('s', 32, [member('f', type, bitOffset, bitSize)]);
        },
        { littleEndian },
      );
      storeBits(memory, littleEndian, bitOffset, bitSize, stored);
      const ask = (kind: number): number => Number(sides.ask(kind, 's', '0:0').value);
      const offset = ask(Kind.FIELD_BYTE_OFFSET);
      const width = ask(Kind.FIELD_BYTE_SIZE);
      expect(offset % width).toBe(0);
      const loaded = load(memory, littleEndian, offset, width);
      const shifted = BigInt.asUintN(64, loaded << BigInt(ask(Kind.FIELD_LSHIFT_U64)));
      expect(shifted >> BigInt(ask(Kind.FIELD_RSHIFT_U64))).toBe(BigInt.asUintN(bitSize, stored));
    }),
    { numRuns: 300 },
  );
});

/** Bit 0 is the lowest of byte and value on little-endian machines, the highest of both on others. */
function storeBits(memory: Uint8Array, littleEndian: boolean, bitOffset: number, bitSize: number, value: bigint): void {
  for (let bit = 0; bit < bitSize; bit++) {
    const at = bitOffset + bit;
    const shift = littleEndian ? at % 8 : 7 - (at % 8);
    const source = littleEndian ? bit : bitSize - 1 - bit;
    const set = Number((value >> BigInt(source)) & 1n);
    const byte = Math.floor(at / 8);
    memory[byte] = ((memory[byte] ?? 0) & ~(1 << shift)) | (set << shift);
  }
}

function load(memory: Uint8Array, littleEndian: boolean, offset: number, width: number): bigint {
  const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
  switch (width) {
    case 1:
      return BigInt(view.getUint8(offset));
    case 2:
      return BigInt(view.getUint16(offset, littleEndian));
    case 4:
      return BigInt(view.getUint32(offset, littleEndian));
    case 8:
      return view.getBigUint64(offset, littleEndian);
    default:
      throw new Error(`no load moves ${width} bytes`);
  }
}
