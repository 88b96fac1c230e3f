import { btfExtension } from '../../helpers/btf-extension.js';
import { examine } from '../../helpers/fuzz/examine.js';
import { ObjectBuilder } from '../../helpers/object-builder.js';

const names = [
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'a*/ globalThis.owned = true; /*',
  '`${globalThis.owned = true}`',
  '"]; globalThis.owned = true; ["',
  "'); globalThis.owned = true; ('",
  'x; } int owned(void) { return 0; } struct y {',
  'line\r\n#include "/etc/passwd"',
  'bell\u0007 escape\u001b[2J\u001b]0;owned\u0007',
  'separators\u2028\u2029',
  'direction\u202eoverride\u2066',
  '\u0085\u009b31m',
  '\ufeff',
  ' ',
  '\\',
  '/',
  'n'.repeat(10_000),
];

/** `r1 = 0 ll; r0 = 1; exit`: the load takes an address, the 1 says that a field exists. */
const loadAndExit = [
  0x18, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xb7, 0, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0,
];

/** An object in which all that can have a name has this one, and in which what can be missing from a kernel is. */
function objectNamed(name: string, fails: 'nothing' | 'extern' | 'section' | 'access' | 'type'): ObjectBuilder {
  const builder = new ObjectBuilder();
  const { btf, elf } = builder;
  const struct = btf.addStruct(name, 8, [
    { name, type: builder.u32, bitOffset: 0, bitSize: 0 },
    { name: `${name}2`, type: builder.u32, bitOffset: 32, bitSize: 0 },
  ]);
  btf.addEnum(name, { values: [{ name: `${name}3`, value: 1 }] });
  btf.addUnion(name, 8, [{ name, type: struct, bitOffset: 0, bitSize: 0 }]);
  const typedef = btf.addTypedef(name, struct);
  btf.addForward(`${name}4`);
  btf.addTypeTag(name, struct);
  btf.addDeclarationTag(name, struct);
  const prototype = btf.addFunctionPrototype(typedef, [{ name, type: typedef }]);
  const id = btf.addFunction(name, prototype, 1);
  builder.map(name, [
    ['type', builder.uint(1)],
    ['value', builder.typed(typedef)],
    ...(fails === 'type' ? [[name, builder.uint(1)] as const] : []),
  ]);
  builder.variables('.data', [{ name: `${name}5`, type: typedef, size: 8 }], new Uint8Array(8));
  builder.variables('.rodata', [{ name: `${name}6`, type: typedef, size: 8, static: true }], new Uint8Array(8));
  const section = fails === 'section' ? name : `tp/${name}`;
  const code = elf.code(section, Uint8Array.from(loadAndExit));
  elf.function(name, code, 0, loadAndExit.length);
  const missing = elf.symbol({ name: `${name}7`, binding: 1 });
  if (fails === 'extern') elf.relocation(code, 0, missing);
  const text = btf.string(`${name}8`);
  const access = btf.string(fails === 'access' ? name : '0:1');
  elf.section({
    name: '.BTF.ext',
    bytes: btfExtension({
      functions: [[btf.string(section), [[0, id]]]],
      lines: [[btf.string(section), [[0, text, text, 1 << 10]]]],
      coreRelocations: [[btf.string(section), [[16, struct, access, 2]]]],
    }),
  });
  return builder;
}

describe.each(names.map((name) => [name.slice(0, 40), name]))('%j', (_, name) => {
  test.each(['nothing', 'extern', 'section', 'access', 'type'] as const)(
    'as every name, where %s fails, is printed without doing anything',
    (fails) => {
      const bytes = objectNamed(name, fails).encode();
      // A kernel that has none of it. All that is printed is looked at for control characters.
      const kernel = new ObjectBuilder().btf.encode();
      expect(examine(bytes, kernel)).toBe(fails === 'type' ? 'refused' : fails === 'nothing' ? 'relocated' : 'read');
      expect('owned' in globalThis).toBe(false);
      expect(Object.keys(Object.prototype)).toEqual([]);
    },
  );
});
