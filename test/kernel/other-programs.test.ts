// Programs of kinds that few objects have. Those that change something change test runs and a cgroup of the test's own.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

import {
  Ebpf,
  FmodRet,
  Fsession,
  LsmCgroup,
  ObjectSpec,
  ProgramType,
  RawTracepointWritable,
  SyscallProgram,
  struct,
  u64,
} from '../../lib/index.js';
import { TestCgroup } from '../helpers/cgroup.js';
import { hasFentry, hasFsession } from '../helpers/kernel-hooks.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { enumeratorsOf, hasKernelBtf, kernelHasFunction } from '../helpers/kernel-types.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const spec = ObjectSpec.parse(new Uint8Array(readFileSync(sample('other_programs'))), { name: 'other_programs.bpf.o' });
const attachTypes = hasKernelBtf ? enumeratorsOf('bpf_attach_type', 'BPF_') : new Set<string>();
const programTypes = hasKernelBtf ? enumeratorsOf('bpf_prog_type', 'BPF_PROG_TYPE_') : new Set<string>();
const packet = new Uint8Array(64);

let ebpf: Ebpf;

afterEach(async () => {
  await ebpf.close();
});

async function load(...names: readonly string[]): Promise<void> {
  const wanted = spec.clone();
  for (const name of names) wanted.program(name).autoload = true;
  ebpf = await Ebpf.load(wanted, { variables: { target_pid: process.pid } });
}

testIf(hasFentry, 'fentry')('fmod_ret takes the place of a function and of its result', async () => {
  await load('modify');
  const nice = getPriority();
  const link = await ebpf.program('modify', FmodRet).attach();
  expect(link.target).toBe('fmod_ret security_task_setnice');
  expect(() => {
    setPriority(nice + 1);
  }).toThrow(/EPERM|operation not permitted/);
  expect(getPriority()).toBe(nice);
  expect(ebpf.variables['runs']).toBe(1n);
  await link.close();
  setPriority(nice + 1);
  setPriority(nice);
  expect(ebpf.variables['runs']).toBe(1n);
});

testIf(hasFsession, 'fsession')('fsession runs when a function is entered and when it returns', async () => {
  await load('around');
  const link = await ebpf.program('around', Fsession).attach();
  expect(link.target).toBe('fsession security_task_setnice');
  const nice = getPriority();
  setPriority(nice + 1);
  setPriority(nice);
  expect(ebpf.variables['calls_in_session']).toBe(4n);
  await link.close();
  setPriority(nice);
  expect(ebpf.variables['calls_in_session']).toBe(4n);
});

const hasLsmCgroup = hasFentry && attachTypes.has('LSM_CGROUP') && kernelHasFunction('bpf_lsm_socket_bind');

testIf(hasLsmCgroup, 'lsm_cgroup')('lsm_cgroup forbids the processes of a cgroup', async () => {
  await load('may_bind');
  const cgroup = new TestCgroup('lsm');
  const bind = async (): Promise<unknown> => {
    const socket = createSocket('udp4');
    try {
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
      return undefined;
    } catch (error) {
      return error;
    } finally {
      socket.close();
    }
  };
  try {
    const link = await ebpf.program('may_bind', LsmCgroup).attach({ cgroup: cgroup.path });
    expect(link.target).toBe(`lsm_cgroup/socket_bind of cgroup ${cgroup.path}`);
    expect(await bind()).toBeUndefined();
    expect(await cgroup.within(bind)).toMatchObject({ code: 'EPERM' });
    expect(ebpf.variables['runs']).toBe(1n);
    await link.close();
    expect(await cgroup.within(bind)).toBeUndefined();
  } finally {
    await ebpf.close();
    cgroup.close();
  }
});

testIf(kernelHasSymbol('__tracepoint_bpf_test_finish') || kernelHasSymbol('__bpf_trace_bpf_test_finish'), 'kernel 5.2')(
  'raw_tp.w changes what the tracepoint lets it',
  async () => {
    await load('change_error', 'pass');
    const program = ebpf.program('pass');
    await program.testRun({ data: packet });
    const { links } = await ebpf.attach();
    const [link] = links;
    expect(links.map(({ target }) => target)).toEqual(['raw_tp bpf_test_finish']);
    expect(ebpf.program('change_error')).toBeInstanceOf(RawTracepointWritable);
    await expect(program.testRun({ data: packet })).rejects.toMatchObject({ errnoName: 'EILSEQ' });
    expect(ebpf.variables['runs']).toBe(1n);
    await link?.close();
    await program.testRun({ data: packet });
  },
);

testIf(programTypes.has('SYSCALL'), 'kernel 5.14')('syscall programs run when they are called', async () => {
  await load('add');
  const program = ebpf.program('add', SyscallProgram);
  const { unattached } = await ebpf.attach();
  expect(unattached.map(({ reason }) => reason)).toContain('it is attached to nothing: program.run()');
  expect(await program.run('sum_request', { first: 1n, second: 2n, sum: 0n })).toEqual({
    returnValue: 7,
    context: { first: 1n, second: 2n, sum: 3n },
  });
  const SumRequest = struct('sum_request', { first: u64, second: u64, sum: u64 });
  const { context } = await program.run(SumRequest, { first: 40, second: 2, sum: 0 });
  expect(context.sum).toBe(42n);
  const bytes = await program.run(new Uint8Array(BigUint64Array.of(5n, 6n, 0n).buffer));
  expect(new BigUint64Array(bytes.context.buffer)[2]).toBe(11n);
  await expect(program.run('sum_requests', {})).rejects.toMatchObject({ suggestions: ['sum_request'] });
  await expect(program.run('sum_request', { first: 1 })).rejects.toMatchObject({ code: 'ERR_EBPF_INVALID_VALUE' });
  await expect(program.run(new Uint8Array(8))).rejects.toMatchObject({ errnoName: 'EINVAL' });
});

test('actions of traffic control run', async () => {
  await load('act');
  const program = ebpf.program('act');
  expect(program.type).toBe(ProgramType.SCHED_ACT);
  const TC_ACT_SHOT = 2;
  const run = await program.testRun({ data: packet, context: { mark: 6 } });
  expect(run).toMatchObject({ returnValue: TC_ACT_SHOT, context: { mark: 7 } });
  expect(ebpf.variables['runs']).toBe(1n);
});

// bpf_prog_test_run_tracing of net/bpf/test_run.c calls them with these.
testIf(hasFentry, 'fentry')('fexit sees arguments and results of the functions that a test run calls', async () => {
  await load('after_one', 'after_six');
  const { links } = await ebpf.attach();
  const [one, six] = ['after_one', 'after_six'].map((name) => links.find(({ program }) => program === name));
  await ebpf.program('after_one').testRun();
  expect([ebpf.variables['arguments'], ebpf.variables['result']]).toEqual([[16n, 17n, 18n, 19n, 20n, 21n], 111n]);
  await six?.close();
  await ebpf.program('after_one').testRun();
  expect([(ebpf.variables['arguments'] as bigint[])[0], ebpf.variables['result']]).toEqual([1n, 2n]);
  await one?.close();
});
