import { AttachType, ProgramType } from '../../../lib/abi/index.js';
import { CodeBuilder, exitProgram } from '../../../lib/asm/index.js';
import { Btf, BtfBuilder, BtfKind } from '../../../lib/btf/index.js';
import { EbpfError, UnsupportedError, UsageError } from '../../../lib/errors/index.js';
import type { ObjectSpec, ProgramSpecOptions } from '../../../lib/object/index.js';
import { needs, relocate } from '../../../lib/relocate/index.js';
import { CoreRelocationKind } from '../../../lib/relocate/core/core-relocation-kind.js';
import { coreRelocations, facts, functionSpec, objectOf, programSpec, relocateOne } from './fixtures.js';

const little = { littleEndian: true };

function kernelBtf(): Btf {
  const builder = new BtfBuilder(little);
  const prototype = builder.addFunctionPrototype(0, []);
  // A struct of the same name comes first: only the kind that attaching wants counts.
  builder.addStruct('vfs_read', 0, []);
  for (const name of ['vfs_read', 'vfs_write', 'bpf_lsm_file_open', 'bpf_iter_task', 'sched_process_exec']) {
    builder.addFunction(name, prototype, 0);
  }
  for (const name of ['sched_process_exec', 'sched_process_exit', 'sched_switch']) {
    builder.addTypedef(`btf_trace_${name}`, 0);
  }
  return Btf.parse(builder.encode(), { name: 'vmlinux' });
}

function program(options: Partial<ProgramSpecOptions>): ObjectSpec {
  const main = functionSpec('main', exitProgram(), { section: options.section ?? 'x' });
  return objectOf([], { programs: new Map([['main', programSpec(main, options)]]) });
}

const TRACEPOINT = { kind: 'tp_btf', type: ProgramType.TRACING, attachType: AttachType.TRACE_RAW_TP };
const FENTRY = { kind: 'fentry', type: ProgramType.TRACING, attachType: AttachType.TRACE_FENTRY };
const caught = (run: () => unknown): EbpfError => {
  try {
    run();
  } catch (error) {
    if (EbpfError.is(error)) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

describe('what a program attaches to', () => {
  const btf = kernelBtf();

  test.each([
    [TRACEPOINT, 'sched_process_exec', 'btf_trace_sched_process_exec'],
    [FENTRY, 'vfs_read', 'vfs_read'],
    [{ ...FENTRY, kind: 'fexit', attachType: AttachType.TRACE_FEXIT }, 'vfs_write', 'vfs_write'],
    [{ ...FENTRY, kind: 'fmod_ret', attachType: AttachType.MODIFY_RETURN }, 'vfs_write', 'vfs_write'],
    [{ ...FENTRY, kind: 'iter', attachType: AttachType.TRACE_ITER }, 'task', 'bpf_iter_task'],
    [{ kind: 'lsm', type: ProgramType.LSM, attachType: AttachType.LSM_MAC }, 'file_open', 'bpf_lsm_file_open'],
    [
      { kind: 'lsm_cgroup', type: ProgramType.LSM, attachType: AttachType.LSM_CGROUP },
      'file_open',
      'bpf_lsm_file_open',
    ],
  ])('%j %s is found under its name in BTF', (fields, attachTo, name) => {
    const { attachBtfId } = relocateOne(program({ ...fields, attachTo }), { btf });
    expect(btf.nameOf(attachBtfId)).toBe(name);
    expect(needs(program({ ...fields, attachTo })).typeNames).toEqual(
      new Map([[name, new Set([btf.kind(attachBtfId)])]]),
    );
  });

  test('is told by its type, also when that was set by hand', () => {
    const object = program({ kind: '', section: 'mine', type: ProgramType.UNSPEC });
    const spec = object.program('main');
    spec.type = ProgramType.TRACING;
    spec.attachType = AttachType.TRACE_FENTRY;
    spec.attachTo = 'vfs_write';
    expect(btf.nameOf(relocateOne(object, { btf }).attachBtfId)).toBe('vfs_write');
  });

  test('is 0 for programs that attach by other means', () => {
    expect(relocateOne(program({}), { btf }).attachBtfId).toBe(0);
  });

  test('must be there: the nearest names are offered before anything is created', () => {
    const error = caught(() => relocate(program({ ...TRACEPOINT, attachTo: 'sched_proces_exec' }), { ...facts, btf }));
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toBe(
      'no BTF tracepoint of this kernel, for program "main", is named "sched_proces_exec"; ' +
        'did you mean "sched_process_exec" or "sched_process_exit"?',
    );
    expect(() => relocate(program({ ...FENTRY, attachTo: 'btf_trace_sched_switch' }), { ...facts, btf })).toThrow(
      /no function of this kernel, for program "main", is named "btf_trace_sched_switch"/,
    );
  });

  test('needs security hooks in the kernel: without any, the option that makes them is named', () => {
    const hook = { kind: 'lsm', type: ProgramType.LSM, attachType: AttachType.LSM_MAC, attachTo: 'file_opn' };
    expect(() => relocate(program(hook), { ...facts, btf })).toThrow('did you mean "file_open"?');
    const without = Btf.parse(new BtfBuilder(little).encode(), { name: 'vmlinux' });
    const error = caught(() => relocate(program(hook), { ...facts, btf: without }));
    expect(error).toBeInstanceOf(UnsupportedError);
    expect(error.message).toContain('CONFIG_BPF_LSM');
  });

  test('must be said', () => {
    const error = caught(() => relocate(program({ ...FENTRY, section: 'fentry' }), { ...facts, btf }));
    expect(error.code).toBe('ERR_EBPF_INVALID_VALUE');
    expect(error.message).toMatch(
      /section "fentry" names no function to attach to; write SEC\("fentry\/<name>"\) or set/,
    );
  });

  test.each([
    [
      { kind: 'freplace', type: ProgramType.EXT, attachTo: 'f' },
      /^programs\.main\.target: .*function "f" of another program/,
    ],
    [{ kind: 'struct_ops', type: ProgramType.STRUCT_OPS }, /^program "main": no structure of a section/],
  ])('must be known: %j', (fields, message) => {
    expect(() => relocate(program(fields), { ...facts, btf })).toThrow(message);
    expect(() => relocate(program({ ...fields, autoload: false }), { ...facts, btf })).not.toThrow();
  });
});

describe('the function of another program that a program attaches to', () => {
  const types = ((): Btf => {
    const builder = new BtfBuilder(little);
    builder.addFunction('slot', builder.addFunctionPrototype(0, []), 1);
    return Btf.parse(builder.encode(), { name: 'program "target"' });
  })();
  const given = { ...facts, targets: new Map([['main', types]]) };
  const ids = (spec: ObjectSpec): readonly number[] =>
    [...relocate(spec, given).programs()].map(({ attachBtfId }) => attachBtfId);

  test('is found in the types of that program, not of the kernel', () => {
    const replacing = { kind: 'freplace', type: ProgramType.EXT };
    const id = types.find('slot', BtfKind.FUNC) ?? -1;
    expect(ids(program({ ...replacing, attachTo: 'slot' }))).toEqual([id]);
    expect(ids(program({ ...FENTRY, attachTo: 'slot', ofProgram: true }))).toEqual([id]);
    expect(() => ids(program({ ...replacing, attachTo: 'slt' }))).toThrow(
      'no function of program "target" is named "slt"; did you mean "slot"?',
    );
    expect(() => ids(program({ ...replacing, section: 'freplace' }))).toThrow(/names no function of another program/);
  });

  test('needs nothing of the kernel', () => {
    const wanted = needs(program({ kind: 'freplace', type: ProgramType.EXT, attachTo: 'slot' }));
    expect([wanted.kernelBtf, wanted.kernelIds]).toEqual([false, false]);
  });
});

describe('a section that says no type', () => {
  test.each([
    ['raw_tracepiont/sys_enter', ['raw_tracepoint']],
    ['?kprob/do_unlinkat', ['kprobe']],
    ['XDP', ['xdp']],
  ])('%s is refused with the nearest', (section, suggestions) => {
    const error = caught(() => relocate(program({ section, kind: '', type: ProgramType.UNSPEC }), facts));
    expect(error).toBeInstanceOf(UsageError);
    expect(error).toMatchObject({ suggestions: expect.arrayContaining(suggestions) });
    expect(error.message).toContain(
      `no type of program has a section named "${section.replace('?', '')}"; did you mean`,
    );
    expect(error.message).toContain('spec.program("main").type = ProgramType.SOCKET_FILTER');
  });

  test('is told when only its target is wrong', () => {
    const run = (): unknown => relocate(program({ section: 'xdp/eth0', type: ProgramType.UNSPEC }), facts);
    expect(run).toThrow(/named "xdp\/eth0"; "xdp" takes no such target/);
  });

  test('does not matter for a program that is not loaded', () => {
    const object = program({ section: 'mine', type: ProgramType.UNSPEC, autoload: false });
    expect([...relocate(object, facts).programs()]).toEqual([]);
  });
});

test('programs of section usdt are loaded for one link to many places where the kernel has such links', () => {
  const usdt = program({ kind: 'usdt', type: ProgramType.KPROBE, attachType: 0, section: 'usdt' });
  expect(needs(usdt).uprobeMulti).toBe(true);
  expect(relocateOne(usdt, { uprobeMulti: true }).attachType).toBe(AttachType.TRACE_UPROBE_MULTI);
  expect(relocateOne(usdt, { uprobeMulti: false }).attachType).toBe(0);
  expect(relocateOne(usdt, {}).attachType).toBe(0);
  // Who says how it is attached has the last word.
  const other = program({ kind: 'usdt', type: ProgramType.KPROBE, attachType: AttachType.TRACE_UPROBE_SESSION });
  expect(needs(other).uprobeMulti).toBe(false);
  expect(relocateOne(other, { uprobeMulti: true }).attachType).toBe(AttachType.TRACE_UPROBE_SESSION);
  const uprobe = program({ kind: 'uprobe', type: ProgramType.KPROBE, attachType: 0, section: 'uprobe' });
  expect(relocateOne(uprobe, { uprobeMulti: true }).attachType).toBe(0);
});

describe('what an object needs', () => {
  const builder = new BtfBuilder(little);
  const int = builder.addInt('int', { size: 4, signed: true });
  const task = builder.addStruct('task_struct___old', 4, [{ name: 'pid', type: int, bitOffset: 0, bitSize: 0 }]);
  const [field, type] = [builder.string('0:0'), builder.string('0')];
  const btf = Btf.parse(builder.encode(), { name: 'test.bpf.o' });
  const code = new CodeBuilder(little).move(0, 0).exit().toBytes();
  const question = { offset: 0, typeId: task, access: field, kind: CoreRelocationKind.FIELD_BYTE_OFFSET };
  const reading = functionSpec('main', code, { section: 'raw_tp', coreRelocations: coreRelocations(question) });

  test('names types without flavours, and what for', () => {
    const result = needs(objectOf([reading], { btf }));
    expect(result).toEqual({
      kernelBtf: true,
      kernelIds: false,
      optionalKernelBtf: false,
      arenaGlobals: false,
      uprobeMulti: false,
      btfKinds: new Set(),
      typeNames: new Map([['task_struct', new Set([BtfKind.STRUCT])]]),
      modules: new Set(),
      kconfig: new Set(),
      symbols: new Set(),
      variables: new Set(),
      reasons: ['program "main": CO-RE relocation task_struct___old.pid'],
    });
  });

  test('counts functions that are called, and no others', () => {
    const callee = { ...reading, key: 'callee', name: 'callee', section: '.text' };
    const calling = functionSpec('main', new CodeBuilder(little).add({ opcode: 0x85, source: 1 }).exit().toBytes(), {
      section: 'raw_tp',
      references: [{ offset: 0, kind: 'call', function: 'callee' }],
    });
    expect(needs(objectOf([calling, callee], { btf })).kernelBtf).toBe(true);
    const alone = functionSpec('main', exitProgram(), { section: 'raw_tp' });
    expect(needs(objectOf([alone, callee], { btf }))).toEqual({
      kernelBtf: false,
      kernelIds: false,
      optionalKernelBtf: false,
      arenaGlobals: false,
      uprobeMulti: false,
      typeNames: new Map(),
      modules: new Set(),
      kconfig: new Set(),
      symbols: new Set(),
      variables: new Set(),
      reasons: [],
      btfKinds: new Set(),
    });
  });

  test('is nothing for programs that are not loaded', () => {
    const object = objectOf([reading], { btf });
    object.program('main').autoload = false;
    expect(needs(object).kernelBtf).toBe(false);
  });

  test('is nothing for the object’s own type ids', () => {
    const own = { offset: 0, typeId: task, access: type, kind: CoreRelocationKind.TYPE_ID_LOCAL };
    const object = objectOf([{ ...reading, coreRelocations: coreRelocations(own) }], { btf });
    expect(needs(object).kernelBtf).toBe(false);
    expect(relocateOne(object).code[4]).toBe(task);
  });

  test('survives relocations of no sense, which fail when they are done', () => {
    const broken = { offset: 0, typeId: 999, access: field, kind: 77 };
    const object = objectOf([{ ...reading, coreRelocations: coreRelocations(broken) }], { btf });
    expect(needs(object).reasons).toEqual(['program "main": CO-RE relocation type 999']);
    expect(() => relocateOne(object, { btf })).toThrow(/relocations of kind 77 are not known/);
  });

  test('cannot be told of an object without types', () => {
    expect(() => relocateOne(objectOf([reading]), { btf })).toThrow(/has CO-RE relocations, and the object has no BTF/);
  });

  test('is wanted and can be done without, of optional programs', () => {
    const object = objectOf([reading], { btf });
    object.program('main').optional = true;
    expect(needs(object)).toMatchObject({ kernelBtf: false, optionalKernelBtf: true, reasons: [] });
    expect(needs(object).typeNames.has('task_struct')).toBe(true);
    const plan = relocate(object, facts);
    expect([...plan.programs()]).toEqual([]);
    expect(plan.leftOut.get('main')?.message).toContain('program "main": CO-RE relocation task_struct___old.pid');
    // What it shares with one that must be loaded is needed.
    const both = objectOf([reading, { ...reading, key: 'other', name: 'other', sectionOffset: 64 }], { btf });
    both.program('main').optional = true;
    expect(needs(both)).toMatchObject({
      kernelBtf: true,
      reasons: ['program "other": CO-RE relocation task_struct___old.pid'],
    });
  });

  test('is said when the kernel has no BTF', () => {
    const error = caught(() => relocate(objectOf([reading], { btf }), facts));
    expect(error).toBeInstanceOf(UnsupportedError);
    expect(error.message).toBe(
      'the kernel\'s BTF: "test.bpf.o" needs to know the kernel\'s types, and there is no /sys/kernel/btf/vmlinux to read ' +
        'them from. Kernels built with CONFIG_DEBUG_INFO_BTF=y have it. It is needed for:\n' +
        '    program "main": CO-RE relocation task_struct___old.pid',
    );
  });
});

test('an object of the other byte order is refused', () => {
  const error = caught(() => relocate(objectOf([]), { ...facts, littleEndian: false }));
  expect(error).toBeInstanceOf(UnsupportedError);
  expect(error.message).toBe(
    'little-endian objects on a big-endian kernel: "test.bpf.o" was compiled for the other byte order; ' +
      'compile it with --target=bpfeb',
  );
});

test('programs are relocated one at a time, when asked for', () => {
  const broken = functionSpec('broken', exitProgram(), {
    section: 'raw_tp',
    sectionOffset: 64,
    references: [{ offset: 0, kind: 'extern', name: 'x' }],
  });
  const plan = relocate(objectOf([functionSpec('fine', exitProgram(), { section: 'raw_tp' }), broken]), facts);
  const programs = plan.programs()[Symbol.iterator]();
  const first = programs.next();
  expect(first.done === true ? undefined : first.value.spec.name).toBe('fine');
  expect(() => programs.next()).toThrow(UnsupportedError);
  // A second walk begins anew and owns what it gives.
  const again = plan.programs()[Symbol.iterator]().next();
  expect(again.done === true ? undefined : again.value.code).toEqual(exitProgram());
});

test('an optional program that cannot be relocated is left out, each time the plan is walked', () => {
  const broken = functionSpec('broken', exitProgram(), {
    section: 'raw_tp',
    references: [{ offset: 0, kind: 'extern', name: 'x' }],
  });
  const object = objectOf([broken, functionSpec('fine', exitProgram(), { section: 'raw_tp', sectionOffset: 64 })]);
  object.program('broken').optional = true;
  const plan = relocate(object, facts);
  for (const _time of [1, 2]) expect([...plan.programs()].map(({ spec }) => spec.name)).toEqual(['fine']);
  expect([...plan.leftOut.keys()]).toEqual(['broken']);
});

test('the kernel’s name of a program is cut and cleaned', () => {
  const spec = functionSpec('a_function_of_a_long_name', exitProgram(), { section: 'raw_tp' });
  expect(relocateOne(objectOf([spec])).kernelName).toBe('a_function_of_a');
});
