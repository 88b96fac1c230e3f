import { AttachType, ProgramType } from '../../../lib/abi/index.js';
import { CodeBuilder, disassemble, Instruction } from '../../../lib/asm/index.js';
import { Btf, BtfBuilder, BtfKind, BtfLinkage } from '../../../lib/btf/index.js';
import { RelocationError, UsageError } from '../../../lib/errors/index.js';
import type { ObjectSpec } from '../../../lib/object/index.js';
import { CoreRelocationKind } from '../../../lib/relocate/core/core-relocation-kind.js';
import { CoreResolver } from '../../../lib/relocate/core/core-resolver.js';
import { type KernelFacts, needs } from '../../../lib/relocate/index.js';
import { type BasicTypes, basicTypes, functionSpec, member, objectOf, programSpec, relocateOne } from './fixtures.js';

const little = { littleEndian: true };

type Declare = (builder: BtfBuilder, basic: BasicTypes) => number;

interface Use {
  readonly name: string;
  readonly how: 'call' | 'address';
  readonly weak?: boolean;
}

/** A program that uses what the object declares `__ksym`, in the order of `uses`. */
function using(
  uses: readonly Use[],
  declare: (builder: BtfBuilder, basic: BasicTypes) => Readonly<Record<string, number>>,
): ObjectSpec {
  const builder = new BtfBuilder(little);
  const declared = declare(builder, basicTypes(builder));
  builder.addDataSection(
    '.ksyms',
    0,
    Object.values(declared).map((type) => ({ type, offset: 0, size: 0 })),
  );
  const btf = Btf.parse(builder.encode(), { name: 'test.bpf.o' });
  const code = new CodeBuilder(little);
  const references = uses.map(({ name, how }) => {
    const offset = code.count * 8;
    if (how === 'call') code.add({ opcode: 0x85, source: 1, immediate: -1 });
    else code.loadWide(1, 0n);
    return { offset, kind: 'extern', name } as const;
  });
  const main = functionSpec('main', code.exit().toBytes(), { section: 'raw_tp', references });
  return objectOf([main], {
    btf,
    externs: new Map(
      Object.entries(declared).map(([name, typeId]) => [
        name,
        { name, section: '.ksyms', weak: uses.find((use) => use.name === name)?.weak === true, typeId },
      ]),
    ),
  });
}

const symbol =
  (name: string): ((builder: BtfBuilder) => Record<string, number>) =>
  (builder) => ({
    [name]: builder.addVariable(name, builder.addConst(0), BtfLinkage.EXTERN),
  });

/** `int name(unsigned long, void *)`, or what `prototype` makes of it. */
function func(name: string, prototype?: Declare) {
  return (builder: BtfBuilder, basic: BasicTypes): Record<string, number> => {
    const type =
      prototype?.(builder, basic) ??
      builder.addFunctionPrototype(basic.int, [
        { name: 'a', type: basic.u64 },
        { name: 'b', type: basic.pointer },
      ]);
    return { [name]: builder.addFunction(name, type, BtfLinkage.EXTERN) };
  };
}

/** A kernel with `int bpf_known(unsigned long, void *)` and `struct rq runqueues`, its ids unlike the object's. */
function kernelOf(): Btf {
  const builder = new BtfBuilder(little);
  for (let count = 0; count < 20; count++) builder.addTypedef(`unrelated_${count}`, 0);
  const basic = basicTypes(builder);
  const prototype = builder.addFunctionPrototype(basic.int, [
    { name: 'x', type: basic.u64 },
    { name: 'y', type: basic.pointer },
  ]);
  builder.addFunction('bpf_known', prototype, BtfLinkage.STATIC);
  builder.addFunction('bpf_nothing', builder.addFunctionPrototype(0, []), BtfLinkage.STATIC);
  builder.addVariable('runqueues', builder.addStruct('rq', 8, [member('cpu', basic.int, 0)]), BtfLinkage.GLOBAL);
  builder.addStruct('sk_buff', 4, [member('len', basic.int, 0)]);
  return Btf.parse(builder.encode(), { name: 'vmlinux' });
}

/** A module split on the kernel, with a function, a variable and a struct of its own. */
function moduleOf(name: string, base: Btf, prefix = name): Btf {
  const builder = new BtfBuilder({ ...little, base });
  const int = base.find('int') ?? 0;
  const u64 = base.find('unsigned long') ?? 0;
  const struct = builder.addStruct(`${prefix}_state`, 16, [member('first', u64, 0), member('second', int, 64)]);
  const prototype = builder.addFunctionPrototype(int, [{ name: 'state', type: builder.addPointer(struct) }]);
  builder.addFunction(`${prefix}_open`, prototype, BtfLinkage.STATIC);
  builder.addVariable(`${prefix}_states`, struct, BtfLinkage.GLOBAL);
  builder.addTypedef(`btf_trace_${prefix}_event`, 0);
  return Btf.parse(builder.encode(), { name, base });
}

const kernel = kernelOf();
const idOf = (name: string, kind: BtfKind, btf = kernel): number => btf.find(name, kind) ?? -1;
const lines = (object: ObjectSpec, facts: Partial<KernelFacts>): string[] =>
  disassemble(relocateOne(object, facts).code, true).split('\n');

describe('a symbol without a type', () => {
  const object = (weak = false): ObjectSpec => using([{ name: 'jiffies', how: 'address', weak }], symbol('jiffies'));

  test('is asked for by name, without the kernel’s BTF', () => {
    expect(needs(object())).toMatchObject({ kernelBtf: false, kernelIds: false, optionalKernelBtf: false });
    expect([...needs(object()).symbols]).toEqual(['jiffies']);
  });

  test('becomes its address, all 64 bits of it', () => {
    const symbols = new Map([['jiffies', [{ address: 0xffff_ffff_8123_4567n }]]]);
    expect(new Instruction(relocateOne(object(), { symbols }).code, true).wideImmediate).toBe(0xffff_ffff_8123_4567n);
  });

  test('is 0 where the kernel has none and it is weak', () => {
    const plan = relocateOne(object(true), { symbols: new Map() });
    expect(new Instruction(plan.code, true).wideImmediate).toBe(0n);
    expect(plan.poisons).toEqual([]);
  });

  test('is refused where the kernel has none', () => {
    expect(() => relocateOne(object(), { symbols: new Map() })).toThrow(
      new RelocationError(
        '/proc/kallsyms has no symbol of this name; kernels without CONFIG_KALLSYMS_ALL=y list functions there and no ' +
          'variables. Declare it __weak to do without it where it is missing',
        { program: 'main', instruction: 0, access: '"jiffies"' },
      ),
    );
  });

  test.each([false, true])('is refused where there are several (weak: %s)', (weak) => {
    const symbols = new Map([['jiffies', [{ address: 0x10n }, { address: 0x10n }, { address: 0x2fn, module: 'm' }]]]);
    expect(() => relocateOne(object(weak), { symbols })).toThrow(
      '"jiffies": the kernel has several symbols of this name, 0x10 and 0x2f (module "m"): which is meant cannot be told',
    );
  });

  test('may stand under several names in one place', () => {
    const symbols = new Map([['jiffies', [{ address: 0x10n }, { address: 0x10n, module: 'm' }]]]);
    expect(new Instruction(relocateOne(object(), { symbols }).code, true).wideImmediate).toBe(0x10n);
  });

  test('is found without its flavour, its own name first', () => {
    const flavoured = using([{ name: 'jiffies___two', how: 'address' }], symbol('jiffies___two'));
    expect([...needs(flavoured).symbols]).toEqual(['jiffies___two', 'jiffies']);
    const symbols = new Map([['jiffies', [{ address: 1n }]]]);
    expect(new Instruction(relocateOne(flavoured, { symbols }).code, true).wideImmediate).toBe(1n);
    symbols.set('jiffies___two', [{ address: 2n }]);
    expect(new Instruction(relocateOne(flavoured, { symbols }).code, true).wideImmediate).toBe(2n);
  });

  test('cannot be called', () => {
    const called = using([{ name: 'jiffies', how: 'call' }], symbol('jiffies'));
    expect(() => relocateOne(called, { symbols: new Map([['jiffies', [{ address: 1n }]]]) })).toThrow(
      '"jiffies": it is called, and declared as a variable',
    );
  });
});

describe('a variable with a type', () => {
  const declare = (name: string, type?: Declare) => (builder: BtfBuilder, basic: BasicTypes) => {
    const struct = type?.(builder, basic) ?? builder.addStruct('rq', 4, [member('cpu', basic.int, 0)]);
    return { [name]: builder.addVariable(name, builder.addConst(struct), BtfLinkage.EXTERN) };
  };
  const object = (name: string, weak = false, type?: Declare): ObjectSpec =>
    using([{ name, how: 'address', weak }], declare(name, type));

  test('is asked for in BTF, and its name among the symbols', () => {
    expect(needs(object('runqueues'))).toMatchObject({
      kernelBtf: true,
      kernelIds: true,
      typeNames: new Map([['runqueues', new Set([BtfKind.VAR])]]),
      symbols: new Set(),
      variables: new Set(['runqueues']),
      reasons: ['program "main": kernel variable "runqueues"'],
    });
    expect(needs(object('runqueues', true))).toMatchObject({
      kernelBtf: false,
      kernelIds: false,
      optionalKernelBtf: true,
      reasons: [],
    });
  });

  test.each(['runqueues', 'runqueues___mine'])('%s becomes its id in the kernel’s BTF', (name) => {
    expect(lines(object(name), { btf: kernel })[0]).toBe(
      `   0: (18) r1 = btf[0][id:${idOf('runqueues', BtfKind.VAR)}]`,
    );
    expect(relocateOne(object(name), { btf: kernel }).moduleBindings).toEqual([]);
  });

  test('of a module takes the descriptor of the module’s BTF too', () => {
    const modules = [moduleOf('first', kernel), moduleOf('second', kernel)];
    const state: Declare = (builder) => builder.addStruct('second_state', 0, []);
    const plan = relocateOne(object('second_states', false, state), { btf: kernel, modules });
    const load = new Instruction(plan.code, true);
    expect(load.source).toBe(3);
    expect(load.wideImmediate).toBe(BigInt(modules[1]?.find('second_states', BtfKind.VAR) ?? -1));
    expect(plan.moduleBindings).toEqual([{ offset: 12, module: 'second' }]);
    expect(plan.functionModules).toEqual([]);
  });

  test.each([false, true])('of another type is refused (weak: %s)', (weak) => {
    expect(() =>
      relocateOne(
        object('runqueues', weak, (_, { int }) => int),
        { btf: kernel },
      ),
    ).toThrow('"runqueues": it is of type "struct rq" in the kernel and "int" in the object');
  });

  test('that is missing is 0 when it is weak, and refused else', () => {
    expect(lines(object('gone', true), { btf: kernel })[0]).toBe('   0: (18) r1 = 0x0');
    expect(lines(object('gone', true), {})[0]).toBe('   0: (18) r1 = 0x0');
    expect(() => relocateOne(object('gone'), { btf: kernel })).toThrow(
      /"gone": the BTF of the kernel and its modules has no variable of this name, and mostly those that are per CPU are there/,
    );
  });

  test('whose address the kernel cannot find is missing', () => {
    const symbols = new Map();
    expect(lines(object('runqueues', true), { btf: kernel, symbols })[0]).toBe('   0: (18) r1 = 0x0');
    expect(() => relocateOne(object('runqueues'), { btf: kernel, symbols })).toThrow(
      /"runqueues": the kernel has it, and cannot find its address: .* CONFIG_KALLSYMS_ALL=y only/,
    );
    symbols.set('runqueues', [{ address: 0n }]);
    expect(lines(object('runqueues'), { btf: kernel, symbols })[0]).toContain('btf[0][id:');
  });
});

describe('a kernel function', () => {
  const calling = (name: string, weak = false, prototype?: Declare): ObjectSpec =>
    using([{ name, how: 'call', weak }], func(name, prototype));

  test('is asked for in BTF', () => {
    expect(needs(calling('bpf_known___v2'))).toMatchObject({
      kernelBtf: true,
      kernelIds: true,
      typeNames: new Map([['bpf_known', new Set([BtfKind.FUNC])]]),
      variables: new Set(),
      reasons: ['program "main": kernel function "bpf_known___v2"'],
    });
  });

  test.each(['bpf_known', 'bpf_known___v2'])('%s is called by its id', (name) => {
    const plan = relocateOne(calling(name), { btf: kernel });
    const call = new Instruction(plan.code, true);
    expect([call.opcode, call.source, call.offset, call.immediate]).toEqual([
      0x85,
      2,
      0,
      idOf('bpf_known', BtfKind.FUNC),
    ]);
    expect(plan.functionModules).toEqual([]);
    expect(plan.poisons).toEqual([]);
  });

  test('gives its address by its id', () => {
    const object = using([{ name: 'bpf_known', how: 'address' }], func('bpf_known'));
    expect(lines(object, { btf: kernel })[0]).toBe(`   0: (18) r1 = btf[0][id:${idOf('bpf_known', BtfKind.FUNC)}]`);
  });

  test('of modules is called by its id and the module’s place, counted from 1 and once each', () => {
    const modules = ['one', 'two', 'three'].map((name) => moduleOf(name, kernel));
    const names = ['two_open', 'three_open', 'two_open', 'bpf_known'];
    const object = using(
      names.map((name) => ({ name, how: 'call' })),
      (builder, basic) => {
        const opening = builder.addFunctionPrototype(basic.int, [
          { name: 's', type: builder.addPointer(builder.addStruct('any', 0, [])) },
        ]);
        return {
          two_open: builder.addFunction('two_open', opening, BtfLinkage.EXTERN),
          three_open: builder.addFunction('three_open', opening, BtfLinkage.EXTERN),
          ...func('bpf_known')(builder, basic),
        };
      },
    );
    const plan = relocateOne(object, { btf: kernel, modules });
    const call = new Instruction(plan.code, true);
    expect([0, 1, 2, 3].map((index) => [call.at(index).offset, call.immediate])).toEqual([
      [1, idOf('two_open', BtfKind.FUNC, modules[1])],
      [2, idOf('three_open', BtfKind.FUNC, modules[2])],
      [1, idOf('two_open', BtfKind.FUNC, modules[1])],
      [0, idOf('bpf_known', BtfKind.FUNC)],
    ]);
    expect(plan.functionModules).toEqual(['two', 'three']);
    expect(plan.moduleBindings).toEqual([]);
  });

  test('that is missing and weak is a call that the verifier refuses, by libbpf’s number', () => {
    const object = using(
      [
        { name: 'bpf_known', how: 'call' },
        { name: 'bpf_gone', how: 'address', weak: true },
        { name: 'bpf_gone', how: 'call', weak: true },
      ],
      (builder, basic) => ({ ...func('bpf_known')(builder, basic), ...func('bpf_gone')(builder, basic) }),
    );
    const plan = relocateOne(object, { btf: kernel });
    expect(disassemble(plan.code, true).split('\n').slice(1)).toEqual([
      '   1: (18) r1 = 0x0',
      '   3: (85) call unknown#2002000001',
      '   4: (95) exit',
    ]);
    expect(plan.poisons).toEqual([
      {
        kind: 'function',
        instruction: 3,
        access: '"bpf_gone"',
        reason: 'the BTF of the kernel and its modules has no function of this name',
      },
    ]);
  });

  test('that is misspelt is refused with the nearest names', () => {
    expect(() => relocateOne(calling('bpf_knwon'), { btf: kernel })).toThrow(
      'has no function of this name (did you mean "bpf_known"?). Declare it __weak',
    );
  });

  test('that is missing is refused', () => {
    expect(() => relocateOne(calling('bpf_gone'), { btf: kernel })).toThrow(
      new RelocationError(
        'the BTF of the kernel and its modules has no function of this name. ' +
          'Declare it __weak to do without it where it is missing',
        { program: 'main', instruction: 0, access: '"bpf_gone"' },
      ),
    );
  });

  test.each<[string, Declare]>([
    [
      'int bpf_known(unsigned long)',
      (builder, { int, u64 }) => builder.addFunctionPrototype(int, [{ name: 'a', type: u64 }]),
    ],
    [
      'void bpf_known(unsigned long, void *)',
      (builder, { u64, pointer }) =>
        builder.addFunctionPrototype(0, [
          { name: 'a', type: u64 },
          { name: 'b', type: pointer },
        ]),
    ],
    [
      'int bpf_known(void *, unsigned long)',
      (builder, { int, u64, pointer }) =>
        builder.addFunctionPrototype(int, [
          { name: 'b', type: pointer },
          { name: 'a', type: u64 },
        ]),
    ],
  ])('%s is not the kernel’s', (declared, prototype) => {
    const problem = `the kernel has "int bpf_known(unsigned long, void *)" and the object declares "${declared}"`;
    expect(() => relocateOne(calling('bpf_known', false, prototype), { btf: kernel })).toThrow(problem);
    expect(relocateOne(calling('bpf_known', true, prototype), { btf: kernel }).poisons).toMatchObject([
      { kind: 'function', reason: problem },
    ]);
  });

  test('may take integers of other sizes', () => {
    const prototype: Declare = (builder, { long, u32, pointer }) =>
      builder.addFunctionPrototype(long, [
        { name: 'a', type: u32 },
        { name: 'b', type: pointer },
      ]);
    expect(relocateOne(calling('bpf_known', false, prototype), { btf: kernel }).poisons).toEqual([]);
  });

  test('is not looked for in modules while the kernel has it', () => {
    const modules = [moduleOf('bpf', kernel, 'bpf_known')];
    expect(relocateOne(calling('bpf_known'), { btf: kernel, modules }).functionModules).toEqual([]);
  });

  test('is refused on a kernel without BTF, and done without when weak', () => {
    expect(() => relocateOne(calling('bpf_known'))).toThrow(
      /^the kernel's BTF: .*\n {4}program "main": kernel function "bpf_known"$/,
    );
    expect(relocateOne(calling('bpf_known', true)).poisons).toMatchObject([
      { reason: "the kernel's BTF cannot be read, so it is known to have no function of this name" },
    ]);
  });
});

test('an instruction that takes no address is refused', () => {
  const object = using([{ name: 'bpf_known', how: 'call' }], func('bpf_known'));
  const main = object.program('main').function;
  const code = new CodeBuilder(little).move(0, 0).exit().toBytes();
  object.programs.set('main', programSpec({ ...main, code }));
  expect(() => relocateOne(object, { btf: kernel })).toThrow('an instruction of opcode 0xb7 takes no address');
});

describe('CO-RE relocations', () => {
  const local = new BtfBuilder(little);
  const basic = basicTypes(local);
  local.addStruct('one_state', 4, [member('second', basic.int, 0)]);
  local.addStruct('sk_buff', 8, [member('len', basic.int, 32)]);
  local.addStruct('nowhere', 4, [member('second', basic.int, 0)]);
  const access = local.string('0:0');
  const btf = Btf.parse(local.encode(), { name: 'test.bpf.o' });
  const modules = [moduleOf('one', kernel), moduleOf('two', kernel, 'sk_buff')];
  const ask = (name: string): unknown =>
    new CoreResolver(btf, kernel, modules).resolve(CoreRelocationKind.FIELD_BYTE_OFFSET, btf.find(name) ?? 0, access)
      .value;

  test('find types of modules that the kernel has not', () => {
    expect(ask('one_state')).toBe(8n);
  });

  test('ask the kernel first', () => {
    expect(ask('sk_buff')).toBe(0n);
  });

  test('fail where nobody has the type', () => {
    expect(ask('nowhere')).toBeUndefined();
  });

  test('are not resolved by modules when the types were given', () => {
    const code = new CodeBuilder(little).move(0, 1).exit().toBytes();
    const exists = { offset: 0, typeId: btf.find('one_state') ?? 0, access, kind: CoreRelocationKind.FIELD_EXISTS };
    const column = (value: number): Uint32Array => Uint32Array.of(value);
    const main = functionSpec('main', code, {
      section: 'raw_tp',
      coreRelocations: {
        offsets: column(exists.offset),
        typeIds: column(exists.typeId),
        accessStrings: column(exists.access),
        kinds: column(exists.kind),
      },
    });
    expect(relocateOne(objectOf([main], { btf }), { btf: kernel, modules }).code[4]).toBe(1);
    expect(relocateOne(objectOf([main], { btf }), { btf: kernel, coreBtf: kernel, modules }).code[4]).toBe(0);
  });
});

describe('programs attach', () => {
  const modules = [moduleOf('one', kernel), moduleOf('two', kernel)];
  const attaching = (attachTo: string, attachType: AttachType = AttachType.TRACE_FENTRY): ObjectSpec => {
    const object = objectOf([
      functionSpec('main', new CodeBuilder(little).move(0, 0).exit().toBytes(), { section: 'fentry/x' }),
    ]);
    const spec = object.program('main');
    spec.type = ProgramType.TRACING;
    spec.attachType = attachType;
    spec.attachTo = attachTo;
    return object;
  };

  test.each([
    ['one:one_open', 'one', 'one_open', []],
    ['two_open', 'two', 'two_open', ['two_open']],
  ])('to %s', (attachTo, module, name, typeNames) => {
    const plan = relocateOne(attaching(attachTo), { btf: kernel, modules });
    expect(plan.attachModule).toBe(module);
    expect(modules.find((one) => one.name === module)?.nameOf(plan.attachBtfId)).toBe(name);
    const wanted = needs(attaching(attachTo));
    expect([...wanted.typeNames.keys()]).toEqual(typeNames);
    expect([...wanted.modules]).toEqual(attachTo.includes(':') ? [module] : []);
  });

  test('to tracepoints of modules', () => {
    const plan = relocateOne(attaching('one:one_event', AttachType.TRACE_RAW_TP), { btf: kernel, modules });
    expect(modules[0]?.nameOf(plan.attachBtfId)).toBe('btf_trace_one_event');
  });

  test('to the kernel proper by name', () => {
    expect(relocateOne(attaching('vmlinux:bpf_known'), { btf: kernel, modules })).toMatchObject({
      attachBtfId: idOf('bpf_known', BtfKind.FUNC),
      attachModule: undefined,
    });
    expect([...needs(attaching('vmlinux:bpf_known')).modules]).toEqual([]);
    expect(() => relocateOne(attaching('vmlinux:one_open'), { btf: kernel, modules })).toThrow(
      /no function of this kernel, for program "main", is named "one_open"/,
    );
  });

  test('not to functions that a module has not', () => {
    expect(() => relocateOne(attaching('one:one_opne'), { btf: kernel, modules })).toThrow(
      'no function of module "one", for program "main", is named "one_opne"; did you mean "one_open"?',
    );
    expect(() => relocateOne(attaching('one:bpf_known'), { btf: kernel, modules })).toThrow(UsageError);
  });

  test('not to modules that are not loaded', () => {
    expect(() => relocateOne(attaching('gone:f'), { btf: kernel, modules })).toThrow(
      'program "main" attaches to "gone:f", and no module "gone" is loaded that has BTF (/sys/kernel/btf/gone); ' +
        'load it (modprobe) first',
    );
  });
});
