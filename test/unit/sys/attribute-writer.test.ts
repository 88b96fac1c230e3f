import { endianness } from 'node:os';

import { UsageError } from '../../../lib/errors/index.js';
import { AttributeReader, AttributeWriter, cString, Direction } from '../../../lib/sys/attribute-writer.js';

const layout = { size: 40, fields: { a: [0, 4], b: [8, 8], name: [16, 16], short: [32, 2], byte: [34, 1] } } as const;
const little = endianness() === 'LE';

test('numbers are written in their own size and read back', () => {
  const attr = new AttributeWriter(layout)
    .number('a', 0xfedcba98)
    .number('b', -1n)
    .number('short', 513)
    .number('byte', 7)
    .number('a', undefined);
  const view = new DataView(attr.bytes.buffer);
  expect(view.getUint32(0, little)).toBe(0xfedcba98);
  expect(view.getBigUint64(8, little)).toBe(0xffff_ffff_ffff_ffffn);
  expect(attr.read('short')).toBe(513);
  const reader = new AttributeReader(layout, attr.bytes);
  expect([reader.number('a'), reader.bigint('b'), reader.number('byte')]).toEqual([0xfedcba98, 2n ** 64n - 1n, 7]);
});

test('a buffer is a patch of eight bytes at its field, and states its length', () => {
  const first = Uint8Array.of(1, 2, 3);
  const inner = new Uint8Array(9);
  const attr = new AttributeWriter(layout)
    .pointer('b', first, Direction.TO_KERNEL, 'a')
    .pointerIn(first, 1, inner, Direction.FROM_KERNEL)
    .pointer('name', undefined, Direction.BOTH);
  expect(attr.buffers).toEqual([attr.bytes, first, inner]);
  expect([...attr.patches]).toEqual([0, 8, Direction.TO_KERNEL, 0, 1, 1, Direction.FROM_KERNEL, 0]);
  expect(attr.read('a')).toBe(3);
  expect(attr.read('b')).toBe(0);
});

test.each(['sixteen_letters_', 'a b', 'ü', 'a/b', 'a\0b'])('the name %j is refused', (name) => {
  expect(() => new AttributeWriter(layout).name('name', name)).toThrow(UsageError);
});

test('a name of 15 characters is taken', () => {
  const attr = new AttributeWriter(layout).name('name', 'fifteen_letters');
  expect(new AttributeReader(layout, attr.bytes).string('name')).toBe('fifteen_letters');
});

test('a path with a NUL, or too long, is refused', () => {
  expect(() => new AttributeWriter(layout).string('b', 'a\0b')).toThrow('path: "a\\x00b" has a NUL');
  expect(() => new AttributeWriter(layout).string('b', 'x'.repeat(4096))).toThrow(UsageError);
});

test('text ends at its NUL or at its end', () => {
  expect(cString(Uint8Array.of(65, 66, 0, 67))).toBe('AB');
  expect(cString(Uint8Array.of(65, 66))).toBe('AB');
  expect(cString(Uint8Array.of(0xc3, 0xa4, 0))).toBe('ä');
});
