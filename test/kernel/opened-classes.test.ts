// Which class a program that is opened has, by what the kernel lets find out, and that it is attached as what it was loaded for.
import { readFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

import {
  AttachType,
  BtfTracepoint,
  Ebpf,
  Fentry,
  Fexit,
  FmodRet,
  FunctionProgram,
  HashMap,
  IteratorProgram,
  Kprobe,
  KprobeMulti,
  KprobeSession,
  Kretprobe,
  Lsm,
  LsmCgroup,
  ObjectSpec,
  Program,
  Uprobe,
  UprobeMulti,
  UprobeSession,
  UsageError,
  features,
} from '../../lib/index.js';
import { hasFentry, hasKprobeMulti, hasKprobes, hasKprobeSession, hasLsm } from '../helpers/kernel-hooks.js';
import { hasKernelBtf, kernelHasFunction } from '../helpers/kernel-types.js';
import { kernelAtLeast } from '../helpers/kernel-version.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

/** Since then the kernel tells what a program was loaded for. */
const tellsTargets = kernelAtLeast(5, 18);

const nice = getPriority();
const opened: Program[] = [];
let ebpf: Ebpf | undefined;

afterEach(async () => {
  for (const program of opened.splice(0)) program.close();
  await ebpf?.close();
  ebpf = undefined;
  setPriority(nice);
});

function keep<P extends Program>(program: P): P {
  opened.push(program);
  return program;
}

async function load(name: string, options: Parameters<typeof Ebpf.load>[1] = {}): Promise<Ebpf> {
  ebpf = await Ebpf.load(sample(name), options);
  return ebpf;
}

function idOf(program: Program): { readonly id: number } {
  return { id: program.info().id };
}

testIf(hasKernelBtf, 'kernel BTF')('a program of a tracepoint by BTF is one, with its name', async () => {
  const { programs } = await load('execsnoop', { variables: { target_ppid: process.pid } });
  const [program] = programs;
  if (program === undefined) throw new Error('the sample has no program');
  const source = idOf(program);
  const found = keep(Program.open(source));
  if (!tellsTargets) {
    expect(found.constructor).toBe(Program);
    expect(keep(BtfTracepoint.open(source)).attachTo).toBeUndefined();
    return;
  }
  expect(found).toBeInstanceOf(BtfTracepoint);
  expect([found.attachTo, found.section]).toEqual(['sched_process_exec', 'tp_btf']);
  expect(() => keep(Fentry.open(source))).toThrow(/a program of type TRACING, not a Fentry; ask for BtfTracepoint$/);
  const link = await found.attach();
  expect(link.target).toBe('tp_btf sched_process_exec');
  await link.close();
});

testIf(hasKernelBtf && kernelHasFunction('bpf_iter_bpf_map_elem'), 'kernel BTF')(
  'an iterator is one, and takes what its kind takes',
  async () => {
    const spec = ObjectSpec.parse(readFileSync(sample('iterators')));
    for (const each of spec.programs.values()) each.autoload = each.section.endsWith('iter/bpf_map_elem');
    ebpf = await Ebpf.load(spec);
    const [program] = ebpf.programs;
    if (program === undefined) throw new Error('the sample has no program');
    if (tellsTargets) expect(keep(Program.open(idOf(program)))).toBeInstanceOf(IteratorProgram);
    const found = keep(IteratorProgram.open(idOf(program)));
    expect(found.attachTo).toBe(tellsTargets ? 'bpf_map_elem' : undefined);
    const numbers = ebpf.map('numbers', HashMap);
    const iterator = await found.attach({ map: numbers });
    await iterator.close();
    await expect(found.attach({ pid: 1 })).rejects.toThrow(tellsTargets ? UsageError : expect.anything());
  },
);

testIf(hasFentry, 'fentry')('a program of a function is attached as what it was loaded for', async () => {
  const { programs } = await load('fentry', { variables: { target_pid: process.pid } });
  for (const program of programs) {
    const source = idOf(program);
    if (tellsTargets) expect(keep(Program.open(source)).constructor).toBe(FunctionProgram);
    const found = keep(FunctionProgram.open(source));
    expect(found.constructor).toBe(FunctionProgram);
    expect(found.attachTo).toBe(tellsTargets ? 'security_task_setnice' : undefined);
    const link = await found.attach();
    expect(link.info()).toMatchObject({ kind: 'tracing', attachType: program.attachType });
    await link.close();
    if (!tellsTargets || !(await features.bpfCookie()).supported) continue;
    const withCookie = found.attach({ cookie: 7 });
    if (kernelAtLeast(5, 19)) await (await withCookie).close();
    else await expect(withCookie).rejects.toMatchObject({ code: 'ERR_EBPF_UNSUPPORTED' });
  }
  expect(programs.map(({ attachType }) => attachType)).toEqual([AttachType.TRACE_FENTRY, AttachType.TRACE_FEXIT]);
  expect(programs.map(({ constructor }) => constructor)).toEqual([Fentry, Fexit]);
});

testIf(hasFentry, 'fentry')('a program of a function is opened and attached as no other kind than it is', async () => {
  const { programs } = await load('fentry', { variables: { target_pid: process.pid } });
  const leave = programs.find((program) => program instanceof Fexit);
  if (leave === undefined) throw new Error('the sample has no such program');
  const source = idOf(leave);
  // Until it is attached the kernel says no more than that it is of a function.
  const wrong = keep(Fentry.open(source));
  if (kernelAtLeast(5, 19)) {
    await expect(wrong.attach()).rejects.toMatchObject({
      code: 'ERR_EBPF_INVALID_VALUE',
      message: expect.stringMatching(/ loaded it as a program of another kind than Fentry, /u) as string,
    });
  }
  const link = await keep(Fexit.open(source)).attach();
  expect(link.info()).toMatchObject({ attachType: AttachType.TRACE_FEXIT });
  expect(() => keep(Fentry.open(source))).toThrow(/not a Fentry; ask for Fexit$/u);
  expect(() => keep(FmodRet.open(source))).toThrow(/not a FmodRet; ask for Fexit$/u);
  expect(keep(Fexit.open(source))).toBeInstanceOf(Fexit);
  await link.close();
});

testIf(hasLsm, 'BPF LSM')('a program of a security hook is one, not of a cgroup', async () => {
  const { programs } = await load('lsm', { variables: { target_pid: process.pid } });
  const [program] = programs;
  if (program === undefined) throw new Error('the sample has no program');
  const found = keep((tellsTargets ? Lsm : Program).open(idOf(program)));
  expect(found.name).toBe(program.name);
  const known = keep(Program.open(idOf(program)));
  expect(known).toBeInstanceOf(Lsm);
  expect(known.attachType).toBe(AttachType.LSM_MAC);
  expect(() => keep(LsmCgroup.open(idOf(program)))).toThrow(/not a LsmCgroup; ask for Lsm$/);
});

testIf(hasKprobes, 'kprobes')('a kprobe may be several things, which are named, and nothing else', async () => {
  const loaded = await load('kprobe', { variables: { target_pid: process.pid } });
  const source = idOf(loaded.program('anywhere'));
  const found = keep(Program.open(source));
  expect(found.constructor).toBe(Program);
  await expect(found.attach()).rejects.toThrow(/open it as one of them: Kprobe\.open\(…\) or .*Kretprobe\.open/);
  const entry = await keep(Kprobe.open(source)).attach({ function: 'security_task_setnice' });
  setPriority(5);
  await entry.close();
  expect(loaded.variables['entries']).toBe(1n);
  const probe = await keep(Kretprobe.open(source)).attach({ function: 'security_task_setnice' });
  await probe.close();
  // Before Linux 5.15 the kernel does not say what it is not.
  if ((await features.perfLink()).supported) {
    expect(() => keep(KprobeMulti.open(source))).toThrow(
      /a program of type KPROBE, not a KprobeMulti; ask for Kprobe or /,
    );
  }
});

testIf(hasKprobeMulti, 'kprobe.multi')('a program of many functions is known from others', async () => {
  const loaded = await load('kprobe_multi', { variables: { target_pid: process.pid } });
  const source = idOf(loaded.program('nothing'));
  const found = keep(Program.open(source));
  expect(found.constructor).toBe(Program);
  expect(found.attachType).toBe(AttachType.TRACE_KPROBE_MULTI);
  await expect(found.attach()).rejects.toThrow(/as one of them: KprobeMulti\.open\(…\) or KretprobeMulti\.open\(…\)$/);
  const link = await keep(KprobeMulti.open(source)).attach({ functions: 'security_task_setnice' });
  await link.close();
  const refusal = /a program of type KPROBE, not a \w+; ask for KprobeMulti or KretprobeMulti$/;
  expect(() => keep(Kprobe.open(source))).toThrow(refusal);
  expect(() => keep(Uprobe.open(source))).toThrow(refusal);
  expect(() => keep(KprobeSession.open(source))).toThrow(refusal);
});

testIf(hasKprobeSession, 'kprobe.session')('a session of kernel functions is one', async () => {
  const [program] = (await load('kprobe_session', { variables: { target_pid: process.pid } })).programs;
  if (program === undefined) throw new Error('the sample has no program');
  expect(keep(Program.open(idOf(program)))).toBeInstanceOf(KprobeSession);
  const link = await keep(KprobeSession.open(idOf(program))).attach({ functions: 'security_task_setnice' });
  await link.close();
});

test('programs of many places in user space are known from others, where the kernel has links for them', async () => {
  const spec = ObjectSpec.parse(readFileSync(sample('uprobe_multi')));
  for (const each of spec.programs.values()) each.autoload = each.section === 'uprobe.multi';
  ebpf = await Ebpf.load(spec);
  const [program] = ebpf.programs;
  if (program === undefined) throw new Error('the sample has no program');
  const source = idOf(program);
  const many = keep(UprobeMulti.open(source));
  const link = await many
    .attach({ target: process.execPath, functions: { offset: 0x1000 } })
    .catch((error: unknown) => error);
  expect(link).toMatchObject(link instanceof Error ? { code: 'ERR_EBPF_INVALID_VALUE' } : { closed: false });
  const isLinked = (await features.uprobeMulti()).supported && many.attachType !== 0;
  if (!isLinked) expect(keep(Uprobe.open(source))).toBeInstanceOf(Uprobe);
  else expect(() => keep(Uprobe.open(source))).toThrow(/not a Uprobe; ask for UprobeMulti or UretprobeMulti$/);
  if (!(await features.uprobeSession()).supported) return;
  await using sessions = await Ebpf.load(sample('uprobe_session'));
  const [session] = sessions.programs;
  if (session !== undefined) expect(keep(Program.open(idOf(session)))).toBeInstanceOf(UprobeSession);
});
