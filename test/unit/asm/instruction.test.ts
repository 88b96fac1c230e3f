import fc from 'fast-check';

import { CodeBuilder, helperName, Instruction } from '../../../lib/asm/index.js';

test('reads registers in the order of the byte order', () => {
  // struct bpf_insn { __u8 code; __u8 dst_reg:4, src_reg:4; __s16 off; __s32 imm; }
  const little = new Instruction(Uint8Array.from([0x79, 0xa1, 0xf8, 0xff, 1, 0, 0, 0x80]), true);
  expect([little.opcode, little.destination, little.source, little.offset, little.immediate]).toEqual([
    0x79, 1, 10, -8, -0x7fffffff,
  ]);
  const big = new Instruction(Uint8Array.from([0x79, 0x1a, 0xff, 0xf8, 0x80, 0, 0, 1]), false);
  expect([big.opcode, big.destination, big.source, big.offset, big.immediate]).toEqual([0x79, 1, 10, -8, -0x7fffffff]);
});

const fields = fc.record({
  opcode: fc.integer({ min: 0, max: 255 }),
  destination: fc.integer({ min: 0, max: 15 }),
  source: fc.integer({ min: 0, max: 15 }),
  offset: fc.integer({ min: -32768, max: 32767 }),
  immediate: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
});

test('what is written is read back, in both byte orders, and neighbours stay untouched', () => {
  fc.assert(
    fc.property(fc.boolean(), fields, fields, (littleEndian, before, after) => {
      const code = new CodeBuilder({ littleEndian }).add(before).add(before).add(before).toBytes();
      const instruction = new Instruction(code, littleEndian).at(1);
      instruction.opcode = after.opcode;
      instruction.destination = after.destination;
      instruction.source = after.source;
      instruction.offset = after.offset;
      instruction.immediate = after.immediate;
      const read = [0, 1, 2].map((index) => {
        const { opcode, destination, source, offset, immediate } = instruction.at(index);
        return { opcode, destination, source, offset, immediate };
      });
      expect(read).toEqual([before, after, before]);
    }),
  );
});

test('64-bit immediates of every size survive, in both byte orders', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (littleEndian, value) => {
      const code = new CodeBuilder({ littleEndian }).loadWide(3, value).toBytes();
      const instruction = new Instruction(code, littleEndian);
      expect(instruction.wideImmediate).toBe(value);
      instruction.wideImmediate = value ^ 0xffn;
      expect(instruction.wideImmediate).toBe(value ^ 0xffn);
      expect([instruction.destination, instruction.slots]).toEqual([3, 2]);
    }),
  );
});

test('refuses indexes outside the code and code that is not whole instructions', () => {
  const code = new CodeBuilder({ littleEndian: true }).exit().toBytes();
  const instruction = new Instruction(code, true);
  for (const index of [-1, 1, 0.5, Number.NaN]) expect(() => instruction.at(index)).toThrow(RangeError);
  expect(() => new Instruction(code.subarray(1), true)).toThrow(/7 bytes is not a whole number/);
  const half = new Instruction(new CodeBuilder({ littleEndian: true }).add({ opcode: 0x18 }).toBytes(), true);
  expect(() => half.wideImmediate).toThrow(/lacks its second half/);
  expect(half.slots).toBe(1);
});

test('names helpers as C does', () => {
  expect(helperName(1)).toBe('bpf_map_lookup_elem');
  expect(helperName(211)).toBe('bpf_cgrp_storage_delete');
  expect(helperName(100_000)).toBeUndefined();
});
