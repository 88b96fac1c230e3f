import { CodeBuilder, disassemble, Instruction, type InstructionFields } from '../../../lib/asm/index.js';
import type { InstructionPatch } from '../../../lib/relocate/core/core-resolver.js';
import { patchInstruction } from '../../../lib/relocate/core/patch-instruction.js';

const answer = (fields: Partial<InstructionPatch>): InstructionPatch => ({
  value: 24n,
  reason: '',
  expected: 8n,
  localSize: 4,
  size: 4,
  sizeMisfit: undefined,
  ...fields,
});

/** Patches the first instruction; what becomes of it, and the reason of a poisoning. */
function patch(
  fields: InstructionFields,
  wanted: Partial<InstructionPatch>,
): { code: string; reason: string | undefined } {
  const code = new CodeBuilder({ littleEndian: true }).add(fields).toBytes();
  const reason = patchInstruction(new Instruction(code, true), answer(wanted), 1);
  return { code: disassemble(code, true).slice('   0: '.length), reason };
}

function patchWide(value: bigint, wanted: Partial<InstructionPatch>): { code: string; reason: string | undefined } {
  const code = new CodeBuilder({ littleEndian: true }).loadWide(1, value).toBytes();
  const reason = patchInstruction(new Instruction(code, true), answer(wanted), 2);
  return { code: disassemble(code, true), reason };
}

const MOVE_64 = { opcode: 0xb7, destination: 1, immediate: 8 };
const MOVE_32 = { opcode: 0xb4, destination: 1, immediate: 8 };
const LOAD = { opcode: 0x61, destination: 1, source: 2, offset: 8 };
const STORE_REGISTER = { opcode: 0x63, destination: 1, source: 2, offset: 8 };
const STORE_NUMBER = { opcode: 0x62, destination: 1, offset: 8, immediate: 5 };
const SIGNED_LOAD = { opcode: 0x81, destination: 1, source: 2, offset: 8 };

test.each([
  ['a 64-bit number', MOVE_64, '(b7) r1 = 24'],
  ['a 32-bit number', MOVE_32, '(b4) w1 = 24'],
  ['an addition', { opcode: 0x07, destination: 1, immediate: 8 }, '(07) r1 += 24'],
  ['a load', LOAD, '(61) r1 = *(u32 *)(r2 +24)'],
  ['a sign-extending load', SIGNED_LOAD, '(81) r1 = *(s32 *)(r2 +24)'],
  ['a store of a register', STORE_REGISTER, '(63) *(u32 *)(r1 +24) = r2'],
  ['a store of a number', STORE_NUMBER, '(62) *(u32 *)(r1 +24) = 5'],
])('patches %s', (_, fields, code) => {
  expect(patch(fields, {})).toEqual({ code, reason: undefined });
});

test('patches a 64-bit load in both halves', () => {
  expect(patchWide(8n, { value: 0xffff_ffff_0000_0001n }).code).toBe('   0: (18) r1 = 0xffffffff00000001');
  expect(patchWide(0xffff_fffdn, { value: 1n, expected: 0xffff_fffdn }).code).toBe('   0: (18) r1 = 0x1');
});

test.each([
  [1, '(71) r1 = *(u8 *)(r2 +24)', '(73) *(u8 *)(r1 +24) = r2'],
  [2, '(69) r1 = *(u16 *)(r2 +24)', '(6b) *(u16 *)(r1 +24) = r2'],
  [8, '(79) r1 = *(u64 *)(r2 +24)', '(7b) *(u64 *)(r1 +24) = r2'],
])('makes a load and a store move %i bytes', (size, load, store) => {
  expect(patch(LOAD, { size }).code).toBe(load);
  expect(patch(STORE_REGISTER, { size }).code).toBe(store);
});

test('leaves the size alone where only the offset is wanted as a number', () => {
  expect(patch(MOVE_64, { size: 8 }).code).toBe('(b7) r1 = 24');
  expect(patch(MOVE_64, { size: 8, sizeMisfit: 'another type' })).toEqual({ code: '(b7) r1 = 24', reason: undefined });
});

describe('poisons', () => {
  const poisoned = '(85) call unknown#195896080';

  test.each([MOVE_64, LOAD, STORE_NUMBER])('%j when the kernel has no such thing', (fields) => {
    expect(patch(fields, { value: undefined, reason: 'gone' })).toEqual({ code: poisoned, reason: 'gone' });
  });

  test('both halves of a 64-bit load', () => {
    expect(patchWide(8n, { value: undefined, reason: 'gone' })).toEqual({
      code: `   0: ${poisoned}\n   1: ${poisoned}`,
      reason: 'gone',
    });
  });

  test('a load that cannot be made to fit', () => {
    expect(patch(LOAD, { sizeMisfit: 'a long now' })).toEqual({ code: poisoned, reason: 'a long now' });
  });
});

describe('refuses', () => {
  test.each([
    [
      'a number other than the object’s own',
      { ...MOVE_64, immediate: 9 },
      {},
      /holds 9 where the object's own types say 8/,
    ],
    ['an offset other than the object’s own', { ...LOAD, offset: 9 }, {}, /holds 9 where the object's own types say 8/],
    ['an offset that no instruction holds', LOAD, { value: 32768n }, /offset 32768 is beyond the 32767/],
    ['a number that 64 bits would sign-extend', MOVE_64, { value: 0x8000_0000n }, /2147483648 does not fit/],
    ['a number beyond 32 bits', MOVE_32, { value: 1n << 32n }, /4294967296 does not fit/],
    ['arithmetic between registers', { opcode: 0x0f, destination: 1, source: 2 }, {}, /between registers/],
    ['a jump', { opcode: 0x15, destination: 1, immediate: 8 }, {}, /opcode 0x15 cannot be relocated/],
    ['a call', { opcode: 0x85, immediate: 8 }, {}, /opcode 0x85 cannot be relocated/],
    ['half a 64-bit load', { opcode: 0x18, immediate: 8 }, {}, /no load of a 64-bit number/],
    [
      'a load of another size than the field',
      { ...LOAD, opcode: 0x71 },
      { size: 8 },
      /moves 1 bytes, the object's field has 4/,
    ],
    ['a field of three bytes', LOAD, { size: 3 }, /field of 3 bytes cannot be moved at once/],
    ['a sign-extending load of another size', SIGNED_LOAD, { size: 8 }, /only a plain load or store/],
  ])('%s', (_, fields, wanted, message) => {
    expect(() => patch(fields, wanted)).toThrow(message);
  });

  test('a 64-bit load of something else than a number', () => {
    const code = new CodeBuilder({ littleEndian: true }).loadWide(1, 8n, 1).toBytes();
    expect(() => patchInstruction(new Instruction(code, true), answer({}), 2)).toThrow(/no load of a 64-bit number/);
  });

  test('a 64-bit load whose second half is an instruction', () => {
    const code = new CodeBuilder({ littleEndian: true }).add({ opcode: 0x18, immediate: 8 }).exit().toBytes();
    expect(() => patchInstruction(new Instruction(code, true), answer({}), 2)).toThrow(/second half .* is malformed/);
  });
});

test('takes any number in 32-bit arithmetic and negative ones in 64-bit arithmetic', () => {
  expect(patch(MOVE_32, { value: 0xffff_fff0n }).code).toBe('(b4) w1 = -16');
  expect(patch(MOVE_64, { value: 0xffff_ffff_ffff_fff0n }).code).toBe('(b7) r1 = -16');
});

test('checks nothing where the object says nothing', () => {
  expect(patch({ ...MOVE_64, immediate: 99 }, { expected: undefined }).code).toBe('(b7) r1 = 24');
});
