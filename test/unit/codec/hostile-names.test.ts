import { struct, u32, type MemberLayout } from '../../../lib/codec/index.js';
import { bothWays, built, caught, encoded, fromHex, toHex, viewOf } from './support.js';

/** Names that try to become code, to escape from a string, to reach a prototype, or to write to a terminal. */
const hostile = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'valueOf',
  '__defineGetter__',
  'prototype',
  'view',
  'offset',
  'value',
  'runtime',
  'constants',
  'return',
  'class',
  'a b',
  'a-b',
  '0',
  '-1',
  '"',
  "'",
  '`${process.exit(1)}`',
  '"]: 1}; process.exit(1); ({["',
  '\\',
  '\\"',
  '*/ process.exit(1) /*',
  '// comment',
  '\n',
  '\r\n; globalThis.owned = true;',
  '\u2028',
  '\u2029',
  '\u202e',
  '\x1b[31mred',
  '\x00nul',
  'é€😀',
  '\ufeff',
  'x'.repeat(5000),
];

const members: MemberLayout[] = hostile.map((name, index) => ({
  name,
  offset: index * 4,
  layout: u32.layout,
  bits: undefined,
}));
const size = hostile.length * 4;
const layout = { kind: 'struct', typeName: `struct "'\`\n*/ \u2028`, size, alignment: 4, members } as const;

describe.each(bothWays(layout))('$how', ({ codec }) => {
  const bytes = new Uint8Array(size).map((_, index) => (index % 4 === 0 ? index / 4 + 1 : 0));

  test('every name becomes an own, plain property', () => {
    const value = codec.decode(viewOf(bytes), 0) as Record<string, unknown>;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(new Set(Object.keys(value))).toEqual(new Set(hostile));
    for (const [index, name] of hostile.entries()) {
      expect(Object.getOwnPropertyDescriptor(value, name)).toEqual({
        value: index + 1,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    }
    expect(toHex(encoded(codec, value))).toBe(toHex(bytes));
    expect('owned' in globalThis).toBe(false);
    expect(({} as Record<string, unknown>)['constructor']).toBe(Object);
  });

  test.each(hostile)('%j is missed, not inherited, when it is not given', (name) => {
    const value = codec.decode(viewOf(bytes), 0) as Record<string, unknown>;
    // Deleting from the decoded object leaves what every object inherits under that name.
    expect(Reflect.deleteProperty(value, name)).toBe(true);
    const { message } = caught(() => encoded(codec, value)) as Error;
    expect(message).toContain('missing, expected an integer');
    // eslint-disable-next-line no-control-regex -- control characters are what this looks for
    expect(message).not.toMatch(/[\u0000-\u001f\u2028\u2029\u202a-\u202e]/);
  });
});

test('hostile names of structs, nested and in unions', () => {
  const { codec } = built((t) => {
    const inner = t.struct('};process.exit(1);{', 4, [['__proto__', t.u32, 0]]);
    const either = t.union('', 4, [
      ['__proto__', inner, 0],
      ['constructor', t.u32, 0],
    ]);
    return t.struct('outer', 4, [['', either, 0]]);
  });
  const bytes = fromHex('05000000');
  for (const way of bothWays(codec.layout)) {
    const value = way.codec.decode(viewOf(bytes), 0) as Record<string, unknown>;
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor']);
    expect(Object.getOwnPropertyDescriptor(value, 'constructor')?.value).toBe(5);
    expect(toHex(encoded(way.codec, value))).toBe(toHex(bytes));
    expect(() => encoded(way.codec, {})).toThrow('value: missing: give one of "__proto__", "constructor"');
  }
});

test('hostile enumerators', () => {
  const { codec } = built(
    (t) =>
      t.builder.addEnum('e', {
        values: hostile.filter((name) => !name.includes('\0')).map((name, value) => ({ name, value })),
      }),
    { enums: 'name' },
  );
  for (const way of bothWays(codec.layout)) {
    expect(way.codec.decode(viewOf(fromHex('00000000')), 0)).toBe('__proto__');
    expect(toHex(encoded(way.codec, 'constructor'))).toBe('01000000');
    expect(() => encoded(way.codec, 'isPrototypeOf')).toThrow('enum e has no value named "isPrototypeOf"');
  }
});

test.each(hostile.filter((name) => !/^[A-Za-z_]\w*$/.test(name)))('struct() takes C identifiers only: %j', (name) => {
  expect(() => struct('event', { [name]: u32 })).toThrow(/^struct event: the field name ".*" is not a C identifier$/);
  expect(() => struct(name, { a: u32 })).toThrow(/^struct name: expected a C identifier, got ".*"$/);
});

test('struct() takes a field named __proto__', () => {
  const codec = struct('event', { ['__proto__']: u32 });
  const value = codec.decode(viewOf(fromHex('05000000')), 0);
  expect(Object.getOwnPropertyDescriptor(value, '__proto__')?.value).toBe(5);
});
