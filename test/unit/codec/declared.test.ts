import {
  array,
  be16,
  be32,
  be64,
  bool,
  bytes,
  cstr,
  f32,
  i64,
  pointer,
  struct,
  u16,
  u32,
  u64,
  u8,
  type Codec,
} from '../../../lib/codec/index.js';
import { encoded, fromHex, toHex, viewOf } from './support.js';

const offsets = (codec: Codec<unknown>): Record<string, number> => {
  const { layout } = codec;
  if (layout.kind !== 'struct') throw new Error('not a struct');
  return Object.fromEntries(layout.members.map(({ name, offset }) => [name ?? '', offset]));
};

test('fields lie where C puts them', () => {
  const Exec = struct('event', { ts: u64, pid: u32, comm: cstr(16) });
  expect(offsets(Exec)).toEqual({ ts: 0, pid: 8, comm: 12 });
  expect([Exec.size, Exec.alignment, Exec.typeName]).toEqual([32, 8, 'struct event']);
  const Mixed = struct('mixed', { a: u8, b: u16, c: u8, d: u64, e: bool });
  expect(offsets(Mixed)).toEqual({ a: 0, b: 2, c: 4, d: 8, e: 16 });
  expect(Mixed.size).toBe(24);
  const Outer = struct('outer', { first: u8, mixed: Mixed, list: array(Mixed, 2), last: u8 });
  expect(offsets(Outer)).toEqual({ first: 0, mixed: 8, list: 32, last: 80 });
  expect(Outer.size).toBe(88);
});

test('packed structs have no padding', () => {
  const Packed = struct('packed', { a: u8, b: u64, c: u16 }, { packed: true });
  expect(offsets(Packed)).toEqual({ a: 0, b: 1, c: 9 });
  expect([Packed.size, Packed.alignment]).toEqual([11, 1]);
});

test('the byte order can be given', () => {
  const fields = { a: u16, b: be16, inner: struct('inner', { c: u32 }) };
  const value = { a: 1, b: 2, inner: { c: 3 } };
  const bytesOf = (littleEndian: boolean): string => toHex(encoded(struct('s', fields, { littleEndian }), value));
  expect(bytesOf(true)).toBe('0100000203000000');
  expect(bytesOf(false)).toBe('0001000200000003');
});

test('a struct decodes and encodes', () => {
  const Conn = struct('conn', {
    when: i64,
    address: be32,
    port: be16,
    mac: bytes(6),
    cookie: be64,
    load: f32,
    open: bool,
    task: pointer,
  });
  const value = {
    when: -1n,
    address: 0x7f000001,
    port: 443,
    mac: Uint8Array.of(1, 2, 3, 4, 5, 6),
    cookie: 7n,
    load: 0.5,
    open: true,
    task: 0xffff888000000000n,
  };
  const view = new DataView(new ArrayBuffer(Conn.size));
  Conn.encode(value, view, 0);
  expect(Conn.decode(view, 0)).toEqual(value);
  // Safe integers are taken for 64-bit fields.
  Conn.encode({ ...value, when: -1, cookie: 7 }, view, 0);
  expect(Conn.decode(view, 0)).toEqual(value);
});

test('scalars are codecs of their own', () => {
  const view = viewOf(fromHex('0102030405060708'));
  expect(be32.decode(view, 1)).toBe(0x02030405);
  expect(be64.asNumber.decode(viewOf(fromHex('0000000000000102')), 0)).toBe(0x102);
  expect(be64.asString.decode(view, 0)).toBe('72623859790382856');
  expect(() => u64.asNumber.decode(viewOf(new Uint8Array(8).fill(255)), 0)).toThrow(
    "value: 18446744073709551615 cannot be a number without rounding; decode it as 'bigint' or 'string'",
  );
  expect(() => {
    u8.encode(256, view, 0, 'key');
  }).toThrow('key: expected an integer from 0 to 255 (u8), got 256');
});

test('an array of no length at the end takes the rest of the record', () => {
  const Sample = struct('sample', { count: u32, values: array(u16, 0) });
  expect(Sample.size).toBe(4);
  const view = viewOf(fromHex('02000000 0100 0200'));
  expect(Sample.decode(view, 0)).toEqual({ count: 2, values: [] });
  const { values } = Sample.decode(view, 0, 8);
  expect(values).toHaveLength(2);
});

test.each<[string, () => unknown, string]>([
  ['no fields', () => struct('event', {}), 'struct event: it has no fields'],
  [
    'a field that is no type',
    () => struct('event', { pid: 4 as unknown as Codec<number> }),
    'struct event: field pid: expected a type such as u32 or cstr(16), got 4',
  ],
  [
    'a function instead of its result',
    () => struct('event', { comm: cstr as unknown as Codec<string> }),
    'struct event: field comm: expected a type such as u32 or cstr(16), got function',
  ],
  [
    'an element that is no type',
    () => array('u32' as unknown as Codec<number>, 4),
    'array: expected a type such as u32 or cstr(16), got "u32"',
  ],
  ['a negative length', () => cstr(-1), 'cstr length: expected an integer from 0, got -1'],
  ['a fractional length', () => array(u8, 1.5), 'array length: expected an integer from 0, got 1.5'],
  [
    'a length that is no number',
    () => bytes('4' as unknown as number),
    'bytes length: expected an integer from 0, got "4"',
  ],
  ['a length beyond any value', () => bytes(2 ** 31), 'bytes: 2147483648 bytes are more than any BPF value has'],
  [
    'an array beyond any value',
    () => array(u64, 2 ** 30),
    'array(u64, 1073741824): 8589934592 bytes are more than any BPF value has',
  ],
  [
    'a name that is no string',
    () => struct(7 as unknown as string, { a: u8 }),
    'struct name: expected a C identifier, got 7',
  ],
])('refuses %s', (_name, make, message) => {
  expect(make).toThrow(message);
});
