// Programs that may sleep: each is attached and reads the beginning of the command line of the process that it runs in.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { getPriority } from 'node:os';

import { Ebpf, ObjectSpec, Usdt, UsdtLink } from '../../lib/index.js';
import { hasFentry, hasFsession, hasLsm } from '../helpers/kernel-hooks.js';
import { hasJit } from '../helpers/kernel-symbols.js';
import { kernelHasFunction, kernelHasMember } from '../helpers/kernel-types.js';
import { kernelAtLeast } from '../helpers/kernel-version.js';
import { hasProbedProgram, probedProgram, startProbed } from '../helpers/probed-program.js';
import { rawArguments, sample } from '../helpers/samples.js';
import { testIf, type Need } from '../helpers/skip.js';
import { hasUprobes, hasUprobeSessions } from '../helpers/user-space.js';

/** Of include/uapi/linux/bpf.h. */
const BPF_F_SLEEPABLE = 0x10;

let ebpf: Ebpf;

afterEach(async () => {
  await ebpf.close();
});

/** Where the command line of a process is in its memory: arg_start of proc(5). */
function commandLineOf(pid: number): bigint {
  const [, fields = ''] = /\) (.*)$/su.exec(readFileSync(`/proc/${pid}/stat`, 'latin1')) ?? [];
  // The third of them is the first after the name.
  return BigInt(fields.split(' ')[48 - 3] ?? 0);
}

/** Loads one program of the sample, which runs in that process alone, and what else is named. */
async function load(name: string, pid = process.pid, ...more: readonly string[]): Promise<void> {
  const spec = ObjectSpec.parse(readFileSync(sample('sleepable')));
  for (const each of [name, ...more]) spec.program(each).autoload = true;
  spec.map('dummy').autoCreate = name === 'in_structure';
  expect(spec.program(name).flags).toBe(BPF_F_SLEEPABLE);
  ebpf = await Ebpf.load(spec, { variables: { target_pid: pid, address: commandLineOf(pid) } });
}

/** What the program did: it ran, and what it read is what /proc says. */
function expectRead(pid = process.pid): void {
  const text = readFileSync(`/proc/${pid}/cmdline`, 'latin1').slice(0, 16).split('\0')[0];
  expect([ebpf.variables['error'], ebpf.variables['text']]).toEqual([0n, text]);
  expect(ebpf.variables['runs']).toBeGreaterThan(0n);
}

async function bind(): Promise<void> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.close();
}

/** Calls bpf_fentry_test1 of the kernel. */
const testRun = async (): Promise<unknown> => ebpf.program('caller').testRun();

interface Case {
  readonly section: string;
  readonly name: string;
  /** What the link's target begins with. */
  readonly target: string;
  readonly has: boolean;
  readonly need: Need;
  /** Loaded too. */
  readonly more?: string;
  readonly fire: () => unknown;
}

const atUprobes = {
  has: hasUprobes && kernelAtLeast(6, 1),
  need: 'uprobes that may sleep',
  fire: getPriority,
} as const;
const atTracepoints = {
  has: kernelAtLeast(7, 3),
  need: 'kernel 7.3',
  fire: getPriority,
} as const;
const atFunctions = {
  has: hasFentry && kernelAtLeast(6, 3),
  need: 'fentry that may sleep',
  more: 'caller',
  fire: testRun,
} as const;

const cases: readonly Case[] = [
  { ...atUprobes, section: 'uretprobe.s', name: 'at_return', target: 'uretprobe /' },
  { ...atUprobes, section: 'uprobe.multi.s', name: 'at_several', target: 'uprobe.multi.s /' },
  { ...atUprobes, section: 'uretprobe.multi.s', name: 'at_several_returns', target: 'uretprobe.multi.s /' },
  {
    ...atUprobes,
    section: 'uprobe.session.s',
    name: 'around',
    target: 'uprobe.session.s /',
    has: hasUprobeSessions,
    need: 'kernel 6.13',
  },
  {
    ...atTracepoints,
    section: 'tracepoint.s',
    name: 'at_tracepoint',
    target: 'tracepoint syscalls/sys_enter_getpriority',
  },
  { ...atTracepoints, section: 'tp.s', name: 'at_tp', target: 'tracepoint syscalls/sys_enter_getpriority' },
  { ...atTracepoints, section: 'raw_tracepoint.s', name: 'at_raw_tracepoint', target: 'raw_tp sys_enter' },
  { ...atTracepoints, section: 'raw_tp.s', name: 'at_raw_tp', target: 'raw_tp sys_enter' },
  { ...atTracepoints, section: 'tp_btf.s', name: 'at_tp_btf', target: 'tp_btf sys_enter' },
  {
    section: 'lsm.s',
    name: 'at_hook',
    target: 'lsm socket_bind',
    has: hasLsm && kernelAtLeast(5, 11),
    need: 'BPF LSM that may sleep',
    fire: bind,
  },
  { ...atFunctions, section: 'fentry.s', name: 'at_entry', target: 'fentry bpf_fentry_test1' },
  { ...atFunctions, section: 'fexit.s', name: 'at_exit', target: 'fexit bpf_fentry_test1' },
  { ...atFunctions, section: 'fmod_ret.s', name: 'in_place', target: 'fmod_ret bpf_fentry_test1' },
  {
    ...atFunctions,
    section: 'fsession.s',
    name: 'in_session',
    target: 'fsession bpf_fentry_test1',
    has: hasFsession,
    need: 'fsession',
  },
];

for (const { section, name, target, has, need, more, fire } of cases) {
  testIf(has, need)(`of section ${section}`, async () => {
    await load(name, process.pid, ...(more === undefined ? [] : [more]));
    const link = await ebpf.program(name).attach();
    expect(link.target.slice(0, target.length)).toBe(target);
    await fire();
    await link.close();
    expectRead();
    const { runs } = ebpf.variables;
    await fire();
    expect(ebpf.variables['runs']).toBe(runs);
  });
}

testIf(atUprobes.has && hasProbedProgram, 'uprobes that may sleep')('of section usdt.s', async () => {
  const child = startProbed();
  try {
    await load('at_probe', child.pid);
    const where = { target: probedProgram(), probe: 'node_ebpf:forms', pid: child.pid };
    const link = await ebpf.program('at_probe', Usdt).attach(where);
    expect(link).toBeInstanceOf(UsdtLink);
    await child.hit();
    expectRead(child.pid);
  } finally {
    await child.close();
  }
});

const hasSleepableDummy =
  hasJit && kernelHasMember('bpf_dummy_ops', 'test_sleepable') && kernelHasFunction('bpf_copy_from_user_str');

testIf(hasSleepableDummy, 'test runs of structures that may sleep')('of section struct_ops.s', async () => {
  await load('in_structure');
  // The kernel reads its argument from there, and writes it back as it was.
  await ebpf.program('in_structure').testRun({ context: rawArguments(commandLineOf(process.pid)) });
  expectRead();
});
