import { existsSync, readFileSync } from 'node:fs';

import ts from 'typescript';

import { Btf, BtfBuilder, BtfKind, BtfLinkage } from '../../../lib/btf/index.js';
import { codecFromBtf, typescriptFromBtf, type TypescriptOptions } from '../../../lib/codec/index.js';
import { testIf } from '../../helpers/skip.js';
import { expression, typeErrors } from '../../helpers/typescript-check.js';
import { samples } from '../btf/fixtures.js';
import { everything } from './every-layout.js';
import { caught, Types, viewOf } from './support.js';

/** One each of many types, bit-fields and flexible arrays, and one for big-endian kernels. */
const objects = ['execsnoop.bpf.o', 'maps.bpf.o', 'newer_types.bpf.o', 'core.bpfeb.o'];

function find(btf: Btf, name: string, kind: BtfKind = BtfKind.STRUCT): number {
  const id = btf.find(name, kind);
  if (id === undefined) throw new Error(`no ${name}`);
  return id;
}

/** The names that text declares, in order. */
function declaredIn(text: string): string[] {
  return [...text.matchAll(/^export (?:interface|type) (\w+)/gmu)].map(([, name]) => name ?? '');
}

const bytes = Uint8Array.from({ length: 200 }, (_, index) => (index * 7 + 1) & 0x7f);

describe('decoded values have the declared types', () => {
  const variants: readonly TypescriptOptions[] = [
    {},
    { int64: 'number' },
    { int64: 'string', chars: 'bytes' },
    { enums: 'name' },
    { enums: 'name', int64: 'string' },
  ];

  test('each kind of member, for every way of decoding', () => {
    const sources: Record<string, string> = {};
    for (const littleEndian of [true, false]) {
      const btf = everything(new Types(littleEndian)).btf();
      for (const [index, options] of variants.entries()) {
        const codec = codecFromBtf(btf, find(btf, 'everything'), options);
        // Small enough that no 64-bit integer has to be rounded.
        const samples = [new Uint8Array(184), ...(options.int64 === 'number' ? [] : [bytes])];
        const module = `m${index}${littleEndian ? 'le' : 'be'}`;
        sources[`${module}.ts`] = typescriptFromBtf(btf, { ...options, types: ['everything'] });
        sources[`${module}-use.ts`] = [
          `import type { everything } from './${module}.js';`,
          ...samples.map(
            (sample, at) => `export const v${at}: everything = ${expression(codec.decode(viewOf(sample), 0, 184))};`,
          ),
        ].join('\n');
      }
    }
    expect(typeErrors(sources)).toEqual([]);
  });

  test.each(objects)('all types of %s', (name) => {
    const sections = samples().find((sample) => sample.name === name)?.sections;
    const btf = Btf.parse(sections?.get('.BTF') ?? new Uint8Array(), { name });
    const text = typescriptFromBtf(btf);
    const names = declaredIn(text);
    expect(new Set(names).size).toBe(names.length);
    const uses: string[] = [];
    for (let id = btf.startId; id < btf.endId; id++) {
      const type = btf.type(id);
      if ((type.kind !== BtfKind.STRUCT && type.kind !== BtfKind.UNION) || !names.includes(type.name)) continue;
      if (btf.find(type.name) !== id || type.size > 4096) continue;
      const codec = codecFromBtf(btf, id);
      const sample = Uint8Array.from({ length: codec.size }, (_, index) => (index * 11 + 3) & 0xff);
      uses.push(`export const v${id}: types.${type.name} = ${expression(codec.decode(viewOf(sample), 0))};`);
    }
    const use = `import type * as types from './types.js';\n${uses.join('\n')}\n`;
    expect(typeErrors({ 'types.ts': text, 'use.ts': use })).toEqual([]);
  });

  test('a value that differs is refused', () => {
    const btf = everything(new Types()).btf();
    const text = typescriptFromBtf(btf, { types: ['point', 'state', 'wide', 'address_t', 'either'], enums: 'name' });
    const wrong = [
      'export const a: point = { x: 1 };',
      'export const b: point = { x: 1, y: 2, z: 3 };',
      'export const c: point = { x: 1n, y: 2 };',
      "export const d: state = 'NONE';",
      "export const e: state = 'ALSO_BUSY';",
      'export const f: wide = 1;',
      'export const g: address_t = { port: 1 };',
      'export const h: either = { whole: 1n };',
    ];
    const use = ["import type { address_t, either, point, state, wide } from './types.js';", ...wrong].join('\n');
    const lines = typeErrors({ 'types.ts': text, 'use.ts': use }).map((error) => error.split(':', 2).join(':'));
    expect(lines).toEqual(wrong.map((_, index) => `use.ts:${index + 2}`));
  });
});

describe('the text', () => {
  test('interfaces with the C types, then what they contain', () => {
    const types = new Types();
    const state = types.builder.addEnum('state', {
      size: 4,
      values: [
        { name: 'IDLE', value: 0 },
        { name: 'BUSY', value: 1 },
      ],
    });
    const point = types.struct('point', 8, [
      ['x', types.s32, 0],
      ['y', types.s32, 4],
    ]);
    types.struct('event', 40, [
      ['ts', types.typedef('__u64', types.u64), 0],
      ['comm', types.array(types.char, 16), 8],
      ['where', point, 24],
      [
        '',
        types.union('', 4, [
          ['state', state, 0],
          ['raw', types.u32, 0],
        ]),
        32,
      ],
      ['bits', types.u32, 36 * 8, 3],
      ['data', types.array(types.u8, 0), 40],
    ]);
    expect(typescriptFromBtf(types.btf(), { types: ['event'] })).toBe(`/** \`struct event\`, 40 bytes. */
export interface event {
  /** \`__u64\` */
  ts: bigint;
  /** \`char [16]\` */
  comm: string;
  /** \`struct point\` */
  where: point;
  /** \`enum state\` */
  state: state;
  /** \`unsigned int\` */
  raw: number;
  /** \`unsigned int : 3\` */
  bits: number;
  /** \`unsigned char [0]\` */
  data: Uint8Array;
}

/** \`struct point\`, 8 bytes. */
export interface point {
  /** \`int\` */
  x: number;
  /** \`int\` */
  y: number;
}

/** \`enum state\`: \`IDLE\` 0, \`BUSY\` 1. */
export type state = number;
`);
  });

  test('is the same whatever was asked of the BTF before', () => {
    const all = everything(new Types()).btf();
    const text = typescriptFromBtf(all);
    codecFromBtf(all, find(all, 'either', BtfKind.UNION));
    expect(typescriptFromBtf(all)).toBe(text);
    expect(typescriptFromBtf(everything(new Types()).btf())).toBe(text);
    expect(declaredIn(text)).toEqual([
      'state',
      'wide',
      'point',
      '__be16',
      'address_t',
      'either',
      'bpf_spin_lock',
      'everything',
    ]);
  });

  test('the order is that of `types`, by name or by id', () => {
    const btf = everything(new Types()).btf();
    const text = typescriptFromBtf(btf, { types: ['wide', find(btf, 'point'), 'wide'] });
    expect(declaredIn(text)).toEqual(['wide', 'point']);
  });

  test('what has one name in C and two meanings, or is no name in TypeScript, gets another', () => {
    const types = new Types();
    types.struct('thing', 4, [['a', types.u32, 0]]);
    types.union('thing', 4, [['b', types.u32, 0]]);
    types.typedef('thing', types.u32);
    types.struct('number', 4, [['c', types.u32, 0]]);
    types.struct('Uint8Array', 4, [['d', types.array(types.u8, 4), 0]]);
    types.struct('interface', 0, []);
    const text = typescriptFromBtf(types.btf());
    expect(declaredIn(text)).toEqual(['thing', 'thing___2', 'thing___3', 'number_', 'Uint8Array_', 'interface_']);
    expect(text).toContain('export type interface_ = Record<string, never>;');
    expect(typeErrors({ 'types.ts': text })).toEqual([]);
  });

  test('a typedef of the name of its struct is the struct, a second one an alias', () => {
    const types = new Types();
    const pair = types.struct('pair', 4, [['a', types.u32, 0]]);
    types.typedef('pair', pair);
    types.typedef('couple', pair);
    const nameless = types.typedef('list', types.struct('', 4, [['b', types.u32, 0]]));
    types.typedef('list_again', nameless);
    const text = typescriptFromBtf(types.btf());
    expect(declaredIn(text)).toEqual(['pair', 'couple', 'list', 'list_again']);
    expect(text).toContain('export type couple = pair;');
    expect(text).toContain('export type list_again = list;');
  });

  test('data sections and variables', () => {
    const types = new Types();
    const variable = types.builder.addVariable('target_uid', types.u32, BtfLinkage.GLOBAL);
    types.builder.addDataSection('.rodata', 4, [{ type: variable, offset: 0, size: 4 }]);
    const text = typescriptFromBtf(types.btf(), { types: ['.rodata', 'target_uid'] });
    expect(text).toContain('export interface _rodata {\n  /** `unsigned int` */\n  target_uid: number;\n}');
    expect(text).toContain('export type target_uid = number;');
  });

  test('long enumerations are cut in the comment', () => {
    const types = new Types();
    types.builder.addEnum('long', {
      size: 4,
      values: Array.from({ length: 70 }, (_, value) => ({ name: `V${value}`, value })),
    });
    const text = typescriptFromBtf(types.btf());
    expect(text).toContain('`V63` 63, …. */');
    expect(text).not.toContain('V64');
  });
});

describe('hostile names', () => {
  const hostile = [
    '__proto__',
    'constructor',
    '*/ evil(); /*',
    '`${evil()}`',
    '"',
    "'",
    '\\',
    '\n',
    '\u2028',
    '\u202e',
    '\x1b[31m',
    'a b',
    '0',
    'new',
    '}; evil(); {',
    '',
    'é',
    'x'.repeat(2000),
  ];

  test('stay names: nothing but types is declared, and decoded values still fit', () => {
    const types = new Types();
    const { builder } = types;
    for (const [index, name] of hostile.entries()) {
      if (name === '') continue;
      const inner = types.struct(name, 4, [[name, types.u32, 0]]);
      const kind = builder.addEnum(name, { size: 4, values: [{ name, value: index }] });
      types.union(name, 8, [
        [name, inner, 0],
        [`${name}_`, kind, 4],
      ]);
      types.typedef(name, types.array(builder.addPointer(inner), 2));
    }
    types.struct(
      'all',
      4 * hostile.length,
      hostile.map((name, index) => [name, types.u32, index * 4]),
    );
    const btf = types.btf();
    for (const enums of ['number', 'name'] as const) {
      const text = typescriptFromBtf(btf, { enums });
      // eslint-disable-next-line no-control-regex -- control characters are what this looks for
      expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u2028\u2029\u202a-\u202e]/u);
      const source = ts.createSourceFile('types.ts', text, ts.ScriptTarget.ES2022, true);
      expect(new Set(source.statements.map((statement) => statement.kind))).toEqual(
        new Set([ts.SyntaxKind.InterfaceDeclaration, ts.SyntaxKind.TypeAliasDeclaration]),
      );
      const value = codecFromBtf(btf, find(btf, 'all')).decode(viewOf(bytes), 0);
      const use = `import type { all } from './types.js';\nexport const value: all = ${expression(value)};\n`;
      expect(typeErrors({ 'types.ts': text, 'use.ts': use })).toEqual([]);
    }
  });
});

describe('what cannot be declared', () => {
  test('a name that is not there, with the nearest', () => {
    const btf = everything(new Types()).btf();
    const { message } = caught(() => typescriptFromBtf(btf, { types: ['piont'] })) as Error;
    expect(message).toBe('no type of test.bpf.o is named "piont"; did you mean "point"?');
  });

  test('types without values and without names', () => {
    const types = new Types();
    const prototype = types.builder.addFunctionPrototype(0, []);
    const array = types.array(types.u32, 2);
    const nameless = types.struct('', 4, [['a', types.u32, 0]]);
    const btf = types.btf();
    expect(() => typescriptFromBtf(btf, { types: [prototype] })).toThrow('types[0]: void (void) has no size');
    for (const id of [array, nameless]) {
      expect(() => typescriptFromBtf(btf, { types: [id] })).toThrow(
        `type ${id} of "test.bpf.o" has no name to declare it under`,
      );
    }
  });

  test('nameless structs that share one another are refused in time', () => {
    const types = new Types();
    let inner = types.struct('', 0, []);
    for (let depth = 0; depth < 40; depth++)
      inner = types.struct('', 0, [
        ['a', inner, 0],
        ['b', inner, 0],
      ]);
    types.struct('bomb', 0, [['whole', inner, 0]]);
    expect(() => typescriptFromBtf(types.btf())).toThrow('more than 500000 members to declare');
  });
});

const kernelTypes = '/sys/kernel/btf/vmlinux';

testIf(existsSync(kernelTypes), 'kernel BTF')(
  "the kernel's types, thousands of them, are declared without an error",
  () => {
    const text = typescriptFromBtf(Btf.parse(readFileSync(kernelTypes), { name: 'vmlinux' }));
    expect(declaredIn(text).length).toBeGreaterThan(5_000);
    expect(text).toMatch(/\nexport interface task_struct \{\n/u);
    expect(typeErrors({ 'types.ts': text })).toEqual([]);
  },
);

test('a BTF of nothing declares nothing', () => {
  expect(typescriptFromBtf(Btf.parse(new BtfBuilder({ littleEndian: true }).encode(), { name: 'empty' }))).toBe('');
});
