// Objects that no compiler makes and that chance does not find: each is small, and asks for work or memory without measure.
import { btfExtension } from '../../helpers/btf-extension.js';
import { examine } from '../../helpers/fuzz/examine.js';
import { ObjectBuilder } from '../../helpers/object-builder.js';

const FIELD_BYTE_OFFSET = 0;
const TYPE_MATCHES = 12;
/** `r0 = 0; exit` and a call of another function, as instructions of little-endian objects. */
const moveZero = [0xb7, 0, 0, 0, 0, 0, 0, 0];
const exit = [0x95, 0, 0, 0, 0, 0, 0, 0];

function call(distance: number): number[] {
  return [0x85, 0x10, 0, 0, ...new Uint8Array(Int32Array.of(distance).buffer)];
}

/** Adds a section of programs or functions of those instructions, one after the other. */
function addFunctions(
  builder: ObjectBuilder,
  section: string,
  names: readonly string[],
  code: (index: number) => number[],
): void {
  const bodies = names.map((_, index) => code(index));
  const at = builder.elf.code(section, Uint8Array.from(bodies.flat()));
  let offset = 0;
  for (const [index, name] of names.entries()) {
    const size = bodies[index]?.length ?? 0;
    builder.elf.function(name, at, offset, size);
    offset += size;
  }
}

function examineOf(builder: ObjectBuilder): string {
  const bytes = builder.encode();
  return examine(bytes, builder.btf.encode());
}

const numbered = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${name}${index}`);

describe('variables', () => {
  test('arrays of four billion elements without a size are not made', () => {
    const builder = new ObjectBuilder();
    const nothing = builder.btf.addStruct('nothing', 0, []);
    const none = builder.btf.addArray(builder.int, builder.int, 0);
    const types = [nothing, none].map((type) => builder.btf.addArray(type, builder.int, 0xffff_ffff));
    const nested = builder.btf.addArray(types[0] ?? 0, builder.int, 0xffff_ffff);
    builder.variables(
      '.bss',
      [...types, nested].map((type, index) => ({ name: `v${index}`, type, size: 8 })),
    );
    expect(examineOf(builder)).toBe('relocated');
  });

  test('a struct of the largest empty array within structs is not made', () => {
    const builder = new ObjectBuilder();
    let type = builder.btf.addArray(builder.btf.addStruct('nothing', 0, []), builder.int, 0x7fff_ffff);
    for (let depth = 0; depth < 10; depth++) {
      type = builder.btf.addStruct(`s${depth}`, 0, [{ name: 'a', type, bitOffset: 0, bitSize: 0 }]);
    }
    builder.variables('.data', [{ name: 'v', type, size: 4 }], new Uint8Array(4));
    expect(examineOf(builder)).toBe('relocated');
  });
});

describe('CO-RE relocations', () => {
  /** One program of `moves` instructions with a relocation on each. */
  function relocating(
    builder: ObjectBuilder,
    moves: number,
    row: (index: number) => readonly [type: number, access: string, kind: number],
  ): void {
    addFunctions(builder, 'raw_tp/x', ['main'], () => [
      ...Array.from({ length: moves }, () => moveZero).flat(),
      ...exit,
    ]);
    const rows = Array.from({ length: moves }, (_, index) => {
      const [type, access, kind] = row(index);
      return [index * 8, type, builder.btf.string(access), kind];
    });
    const extension = btfExtension({ coreRelocations: [[builder.btf.string('raw_tp/x'), rows]] });
    builder.elf.section({ name: '.BTF.ext', bytes: extension });
  }

  test('accesses through 63 members of 20,000 characters are described in a few words', () => {
    const builder = new ObjectBuilder();
    const name = 'm'.repeat(20_000);
    let type = builder.u64;
    for (let depth = 0; depth < 63; depth++) {
      type = builder.btf.addStruct(depth === 62 ? 'root' : '', 8, [{ name, type, bitOffset: 0, bitSize: 0 }]);
    }
    relocating(builder, 2_000, (index) => [type, `${index}${':0'.repeat(63)}`, FIELD_BYTE_OFFSET]);
    expect(examineOf(builder)).toBe('read');
  });

  test('access strings of 65 steps and more are refused', () => {
    for (const steps of [64, 65, 1_000, 100_000]) {
      const builder = new ObjectBuilder();
      let type = builder.u64;
      for (let depth = 0; depth < 63; depth++) type = builder.btf.addArray(type, builder.int, 1);
      const root = builder.btf.addStruct('root', 8, [{ name: 'm', type, bitOffset: 0, bitSize: 0 }]);
      relocating(builder, 1, () => [root, `0${':0'.repeat(steps - 1)}`, FIELD_BYTE_OFFSET]);
      expect(examineOf(builder)).toBe(steps === 64 ? 'relocated' : 'read');
    }
  });

  test('comparisons of large types end, however many relocations ask for them', () => {
    const builder = new ObjectBuilder();
    const struct = (name: string, order: (index: number) => number): number =>
      builder.btf.addStruct(
        name,
        4_000,
        Array.from({ length: 1_000 }, (_, index) => ({
          name: `m${order(index)}`,
          type: builder.u32,
          bitOffset: index * 32,
          bitSize: 0,
        })),
      );
    // On the way to a member of the same name all others are looked at.
    const types = numbered('big', 100).map((name) => {
      struct(`${name}___kernel`, (index) => index);
      return struct(name, (index) => 999 - index);
    });
    relocating(builder, 100, (index) => [types[index] ?? 0, '0', TYPE_MATCHES]);
    expect(examineOf(builder)).toBe('read');
  });

  test('many programs that share a function with many relocations give each reason once', () => {
    const builder = new ObjectBuilder();
    const type = builder.btf.addStruct('task', 8, [{ name: 'pid', type: builder.u64, bitOffset: 0, bitSize: 0 }]);
    const shared = builder.elf.code(
      '.text',
      Uint8Array.from([...Array.from({ length: 2_000 }, () => moveZero).flat(), ...exit]),
    );
    const symbol = builder.elf.function('shared', shared, 0, 2_001 * 8);
    const names = numbered('program', 500);
    const section = builder.elf.code('raw_tp/x', Uint8Array.from(names.flatMap(() => [...call(-1), ...exit])));
    for (const [index, name] of names.entries()) {
      builder.elf.function(name, section, index * 16, 16);
      builder.elf.relocation(section, index * 16, symbol);
    }
    const rows = Array.from({ length: 2_000 }, (_, index) => [
      index * 8,
      type,
      builder.btf.string(`${index}:0`),
      FIELD_BYTE_OFFSET,
    ]);
    builder.elf.section({
      name: '.BTF.ext',
      bytes: btfExtension({ coreRelocations: [[builder.btf.string('.text'), rows]] }),
    });
    expect(examineOf(builder)).toBe('read');
  });
});

describe('functions', () => {
  test('one that calls itself is refused', () => {
    const builder = new ObjectBuilder();
    addFunctions(builder, 'raw_tp/x', ['main'], () => [...call(-1), ...exit]);
    expect(examineOf(builder)).toBe('read');
  });

  test('two that call each other are refused', () => {
    const builder = new ObjectBuilder();
    addFunctions(builder, 'raw_tp/x', ['main', 'other'], (index) => [...call(index === 0 ? 1 : -3), ...exit]);
    expect(examineOf(builder)).toBe('read');
  });

  test('a chain of 2,000 calls is followed without a deep stack', () => {
    const builder = new ObjectBuilder();
    const names = numbered('f', 2_000);
    addFunctions(builder, 'raw_tp/x', names, (index) =>
      index === 1_999 ? [...moveZero, ...exit] : [...call(1), ...exit],
    );
    expect(examineOf(builder)).toBe('relocated');
  });
});

describe('symbols', () => {
  test('many of one name are looked for once', () => {
    const builder = new ObjectBuilder();
    const prototype = builder.btf.addFunctionPrototype(0, []);
    for (let count = 0; count < 5_000; count++) builder.btf.addFunction('same', prototype, 1);
    for (let count = 0; count < 5_000; count++) builder.elf.symbol({ name: 'same', section: 0, binding: 1 });
    expect(examineOf(builder)).toBe('relocated');
  });
});
