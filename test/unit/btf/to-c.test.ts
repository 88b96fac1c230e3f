import { BtfBuilder, BtfKind, BtfLinkage } from '../../../lib/btf/index.js';
import { ObjectFormatError } from '../../../lib/errors/index.js';
import { everyKind, parse } from './fixtures.js';

const plain = (name: string, type: number, bitOffset = 0) => ({ name, type, bitOffset, bitSize: 0 });

function fresh(): { builder: BtfBuilder; int: number; char: number; long: number } {
  const builder = new BtfBuilder({ littleEndian: true });
  const int = builder.addInt('int', { size: 4, signed: true });
  const char = builder.addInt('char', { size: 1, signed: true, char: true });
  const long = builder.addInt('long unsigned int', { size: 8 });
  return { builder, int, char, long };
}

/** The definitions alone, one line each. */
function lines(builder: BtfBuilder): string[] {
  const whole = parse(builder.encode()).toC(undefined, { includeGuard: '', preserveAccessIndex: false });
  return whole
    .split(';\n\n')
    .map((part) => part.replace(/\s+/gu, ' ').replace(/;? ?$/u, ''))
    .filter((part) => part !== '');
}

describe('order', () => {
  test('what is contained comes first, what is pointed to is declared', () => {
    const { builder, int } = fresh();
    const inner = builder.nextId + 3;
    builder.addPointer(builder.nextId + 1);
    const outer = builder.addStruct('outer', 16, [plain('inside', inner), plain('self', builder.nextId - 1, 64)]);
    builder.addPointer(outer);
    builder.addStruct('inner', 8, [plain('up', outer + 1)]);
    builder.addTypedef('number', int);
    expect(lines(builder)).toEqual([
      'struct outer',
      'struct inner { struct outer *up; }',
      'struct outer { struct inner inside; struct outer *self; }',
      'typedef int number',
    ]);
  });

  test('a typedef is needed even behind a pointer, its struct is not', () => {
    const { builder } = fresh();
    const first = builder.nextId;
    builder.addStruct('user', 8, [plain('thing', first + 1)]);
    builder.addPointer(first + 2);
    builder.addTypedef('thing_t', first + 3);
    builder.addStruct('thing', 8, [plain('owner', first + 4)]);
    builder.addPointer(first);
    expect(lines(builder)).toEqual([
      'struct thing',
      'typedef struct thing thing_t',
      'struct user { thing_t *thing; }',
      'struct thing { struct user *owner; }',
    ]);
  });

  test('types that contain themselves are refused', () => {
    for (const make of [
      (builder: BtfBuilder) => builder.addStruct('s', 4, [plain('s', builder.nextId)]),
      (builder: BtfBuilder) => builder.addStruct('', 4, [plain('s', builder.nextId)]),
      (builder: BtfBuilder) => builder.addTypedef('t', builder.nextId),
      (builder: BtfBuilder) => builder.addConst(builder.nextId),
      (builder: BtfBuilder) => builder.addPointer(builder.nextId),
      (builder: BtfBuilder) => builder.addArray(builder.nextId, 1, 1),
      (builder: BtfBuilder) => builder.addFunctionPrototype(builder.nextId, []),
    ]) {
      const { builder } = fresh();
      const id = make(builder);
      const btf = parse(builder.encode());
      expect(() => btf.toC(id)).toThrow(ObjectFormatError);
    }
  });

  test('anonymous structs that share one another cannot make the text endless', () => {
    const { builder, int } = fresh();
    let id = int;
    for (let depth = 0; depth < 60; depth++) id = builder.addStruct('', 0, [plain('a', id), plain('b', id)]);
    const root = builder.addStruct('root', 0, [plain('a', id)]);
    const btf = parse(builder.encode());
    expect(() => btf.toC(root)).toThrow(ObjectFormatError);
  });
});

describe('names', () => {
  test('each is used once, in either name space', () => {
    const { builder, int } = fresh();
    builder.addStruct('thing', 4, [plain('a', int)]);
    builder.addUnion('thing', 4, [plain('b', int)]);
    builder.addTypedef('thing', int);
    builder.addEnum('state', { values: [{ name: 'RUNNING', value: 0 }] });
    builder.addEnum('other', { values: [{ name: 'RUNNING', value: 1 }] });
    builder.addStruct('thing___2', 4, [plain('c', int)]);
    expect(lines(builder)).toEqual([
      'struct thing { int a; }',
      'union thing___2 { int b; }',
      'typedef int thing',
      'enum state { RUNNING = 0, }',
      'enum other { RUNNING___2 = 1, }',
      'struct thing___2___2 { int c; }',
    ]);
  });

  test('a forward declaration has the name of what is defined', () => {
    const { builder, int } = fresh();
    const forward = builder.addForward('thing');
    builder.addTypedef('handle', builder.addPointer(forward));
    builder.addStruct('thing', 4, [plain('a', int)]);
    builder.addForward('elsewhere', { union: true });
    expect(lines(builder)).toEqual([
      'struct thing',
      'typedef struct thing *handle',
      'struct thing { int a; }',
      'union elsewhere',
    ]);
  });

  test('what C could not read is replaced, keywords too', () => {
    const { builder, int } = fresh();
    const rust = builder.addInt('u32', { size: 4 });
    builder.addStruct('Option<core::ffi::c_int>', 12, [
      plain('__0', rust),
      plain('register', int, 32),
      plain('0day', int, 64),
    ]);
    expect(lines(builder)).toEqual([
      'typedef unsigned int u32',
      'struct Option_core__ffi__c_int_ { u32 __0; int register_; int _0day; }',
    ]);
  });

  test('no name ends what it stands in', () => {
    const hostile = [
      '*/',
      '"',
      "'",
      '\\',
      '\n#include "/etc/passwd"',
      'x; } evil; struct {',
      '\u2028',
      '__proto__',
      '??/',
    ];
    for (const name of hostile) {
      const { builder, int } = fresh();
      const tag = builder.addTypeTag(name, int);
      const struct = builder.addStruct(name, 12, [plain(name, int), plain(name, builder.addPointer(tag), 32)]);
      builder.addDeclarationTag(name, struct, 0);
      builder.addDeclarationTag(name, struct, -1, { attribute: true });
      builder.addTypedef(name, struct);
      builder.addEnum(name, { values: [{ name, value: 1 }] });
      builder.addForward(name, { union: true });
      const id = builder.addFunction(name, builder.addFunctionPrototype(int, [plain(name, int), plain(name, int)]), 1);
      const btf = parse(builder.encode());
      const text = btf.toC() + btf.toC(id);
      const allowed = /^(?:[\w\s{};,*():=#.-]|"-W[a-z-]+"|"(?:[^"\\\n]|\\[0-7]{3})*"|\/\* __VMLINUX_H__ \*\/)*$/u;
      expect(text).toMatch(allowed);
    }
  });
});

describe('types', () => {
  test('declarators', () => {
    const { builder, int, char } = fresh();
    const constChar = builder.addConst(char);
    const string = builder.addPointer(constChar);
    const callback = builder.addPointer(
      builder.addFunctionPrototype(int, [plain('name', string), { name: '', type: 0 }]),
    );
    const none = builder.addPointer(builder.addFunctionPrototype(0, []));
    const clang = builder.addPointer(builder.addFunctionPrototype(0, [{ name: '', type: 0 }]));
    const matrix = builder.addArray(builder.addArray(int, int, 3), int, 2);
    builder.addStruct(
      's',
      72,
      [
        plain('a', builder.addConst(string)),
        plain('b', callback, 64),
        plain('c', none, 128),
        plain('d', clang, 192),
        plain('e', matrix, 256),
        plain('f', builder.addPointer(matrix), 448),
        plain('g', builder.addVolatile(builder.addConst(matrix)), 512),
      ].slice(0, 6),
    );
    expect(lines(builder)).toEqual([
      'struct s { const char *const a; int (*b)(const char *name, ...); void (*c)(void); void (*d)(void); ' +
        'int e[2][3]; int (*f)[2][3]; long : 64; }',
    ]);
  });

  test('qualifiers of an array are those of its elements; restrict belongs to pointers', () => {
    const { builder, int } = fresh();
    builder.addTypedef('a', builder.addConst(builder.addVolatile(builder.addArray(int, int, 2))));
    builder.addTypedef('b', builder.addRestrict(builder.addPointer(int)));
    builder.addTypedef('c', builder.addRestrict(int));
    expect(lines(builder)).toEqual(['typedef const volatile int a[2]', 'typedef int *restrict b', 'typedef int c']);
  });

  test('tags', () => {
    const { builder, int } = fresh();
    const user = builder.addPointer(builder.addTypeTag('user', int));
    const space = builder.addPointer(builder.addTypeTag('address_space(1)', int, { attribute: true }));
    const struct = builder.addStruct('s', 16, [plain('a', user), plain('b', space, 64)]);
    builder.addDeclarationTag('of a', struct, 0);
    builder.addDeclarationTag('of s', struct);
    expect(lines(builder)).toEqual([
      'struct s { int __attribute__((btf_type_tag("user"))) *a __attribute__((btf_decl_tag("of a"))); ' +
        'int __attribute__((address_space(1))) *b; } __attribute__((btf_decl_tag("of s")))',
    ]);
  });

  test('enumerations of other sizes, and 64-bit values', () => {
    const { builder } = fresh();
    builder.addEnum('tiny', { size: 1, values: [{ name: 'A', value: 1 }] });
    builder.addEnum('negative', { signed: true, values: [{ name: 'B', value: -1 }] });
    builder.addEnum64('wide', { values: [{ name: 'C', value: 0xffff_ffff_ffff_ffffn }] });
    builder.addEnum64('least', { signed: true, values: [{ name: 'D', value: -(1n << 63n) }] });
    builder.addEnum64('small', { values: [{ name: 'E', value: 1n }] });
    builder.addEnum('nothing', { values: [] });
    builder.addEnum('', { values: [{ name: 'F', value: 7 }] });
    expect(lines(builder)).toEqual([
      'enum tiny { A = 1, } __attribute__((mode(QI)))',
      'enum negative { B = -1, }',
      'enum wide { C = 18446744073709551615ULL, }',
      'enum least { D = -9223372036854775807LL - 1, }',
      'enum small { E = 1, } __attribute__((mode(DI)))',
      'enum nothing',
      'enum { F = 7, }',
    ]);
  });

  test('layouts: padding, packing, bit-fields, flexible arrays, anonymous members', () => {
    const { builder, int, char, long } = fresh();
    const none = builder.addArray(char, int, 0);
    const anonymous = builder.addUnion('', 8, [plain('low', int), plain('all', long)]);
    builder.addStruct('padded', 24, [plain('a', char), plain('b', int, 64)]);
    builder.addStruct('packed', 5, [plain('a', char), plain('b', int, 8)]);
    builder.addStruct('bits', 8, [
      { name: 'a', type: int, bitOffset: 0, bitSize: 3 },
      { name: 'b', type: int, bitOffset: 10, bitSize: 5 },
      { name: 'c', type: int, bitOffset: 32, bitSize: 1 },
    ]);
    builder.addStruct('flexible', 4, [plain('length', int), plain('data', none, 32)]);
    builder.addStruct('only', 0, [plain('data', none)]);
    builder.addStruct('with', 16, [plain('', anonymous), plain('named', anonymous, 64)]);
    builder.addStruct('empty', 0, []);
    builder.addStruct('overlapping', 8, [plain('a', int), plain('b', int, 16)]);
    builder.addUnion('large', 16, [plain('a', int)]);
    builder.addStruct('huge', 0xffff_fff8, [plain('a', int)]);
    expect(lines(builder)).toEqual([
      'struct padded { char a; long : 56; int b; long : 32; long : 64; }',
      'struct packed { char a; int b; } __attribute__((packed))',
      'struct bits { int a : 3; short : 7; int b : 5; int : 17; int c : 1; }',
      'struct flexible { int length; char data[]; }',
      'struct only { char data[0]; }',
      'struct with { union { int low; long unsigned int all; }; union { int low; long unsigned int all; } named; }',
      'struct empty {}',
      'struct overlapping { /* members that C cannot lay out like this */ unsigned char __bytes[8]; }',
      'union large { int a; struct { long : 64; long : 64; }; }',
      'struct huge { int a; char __padding[4294967284]; }',
    ]);
  });
});

describe('one type', () => {
  const ids = everyKind(true);
  const btf = parse(ids.builder.encode());

  test('with what it needs, or alone', () => {
    expect(btf.toC(ids.typedef)).toBe(
      'struct thing;\n\ntypedef struct thing thing_t;\n\n' +
        'struct thing {\n\tint pid;\n\t_Bool ok;\n\tint *next __attribute__((btf_decl_tag("exported")));\n' +
        '\tchar comm[16];\n} __attribute__((btf_decl_tag("whole")));\n',
    );
    expect(btf.toC(ids.typedef, { alone: true })).toBe('typedef struct thing thing_t;\n');
  });

  test('functions and variables are declared', () => {
    expect(btf.toC(ids.function)).toBe('extern int main(int *context, ...);\n');
    expect(btf.toC(ids.variable)).toBe('extern unsigned long counter;\n');
  });

  test('every type can be printed alone', () => {
    for (let id = 1; id < btf.endId; id++) {
      const kind = btf.kind(id);
      const print = (): string => btf.toC(id, { alone: true });
      if (kind === BtfKind.DATASEC || kind === BtfKind.DECL_TAG) expect(print).toThrow(ObjectFormatError);
      else expect(print()).toMatch(/;\n$/u);
    }
  });
});

test('the whole is wrapped for CO-RE and against being included twice', () => {
  const { builder, int } = fresh();
  builder.addStruct('s', 4, [plain('a', int)]);
  builder.addVariable('v', int, BtfLinkage.GLOBAL);
  const text = parse(builder.encode()).toC(undefined, { includeGuard: 'TYPES_H' });
  expect(text).toMatch(/^#ifndef TYPES_H\n#define TYPES_H\n/u);
  expect(text).toMatch(/#endif \/\* TYPES_H \*\/\n$/u);
  expect(text).toContain('preserve_access_index');
  expect(text).not.toContain('v;');
});

test('split BTF: what it adds, and of its base what that needs', () => {
  const { builder: baseBuilder, int } = fresh();
  const inner = baseBuilder.addStruct('inner', 4, [plain('a', int)]);
  baseBuilder.addStruct('unrelated', 4, [plain('a', int)]);
  const base = parse(baseBuilder.encode());
  const builder = new BtfBuilder({ littleEndian: true, base });
  builder.addStruct('outer', 4, [plain('inside', inner)]);
  const text = parse(builder.encode(), base).toC(undefined, { includeGuard: '', preserveAccessIndex: false });
  expect(text).toBe('struct inner {\n\tint a;\n};\n\nstruct outer {\n\tstruct inner inside;\n};\n');
});
