import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';

import {
  BtfTracepoint,
  Ebpf,
  ObjectSpec,
  Program,
  RawTracepoint,
  RawTracepointLink,
  Tracepoint,
  type AttachMessage,
} from '../../lib/index.js';
import { Executor } from '../helpers/command.js';
import { rawArguments, sample } from '../helpers/samples.js';

/** The object, watching this process only. */
async function loadRawTracepoint(): Promise<Ebpf> {
  return Ebpf.load(sample('raw_tracepoint'), { variables: { target_pid: process.pid } });
}

function specOf(name: string): ObjectSpec {
  return ObjectSpec.parse(readFileSync(sample(name)), { name: `${name}.bpf.o` });
}

describe('attaching all', () => {
  test('attaches what says where, in order, and leaves the rest with a reason', async () => {
    const spec = specOf('raw_tracepoint');
    spec.program('on_exec').attachTo = undefined;
    const ebpf = await Ebpf.load(spec, { variables: { target_pid: process.pid } });
    const { links, unattached } = await ebpf.attach();
    expect(links.map(({ target }) => target)).toEqual(['raw_tp sys_enter']);
    expect(unattached.map(({ program, reason }) => [program.name, reason])).toEqual([
      ['on_exec', 'its section "raw_tracepoint/sched_process_exec" names no tracepoint'],
    ]);
    expect(ebpf.links).toEqual(links);
    const again = await ebpf.attach();
    expect(again.links).toEqual([]);
    expect(again.unattached.map(({ reason }) => reason)).toEqual([
      'it is attached already',
      'its section "raw_tracepoint/sched_process_exec" names no tracepoint',
    ]);
    await ebpf.close();
  });

  test('attaches nothing when one fails', async () => {
    const spec = specOf('raw_tracepoint');
    spec.program('on_exec').attachTo = 'sched_process_exce';
    const ebpf = await Ebpf.load(spec, { variables: { target_pid: process.pid } });
    await expect(ebpf.attach()).rejects.toMatchObject({
      name: 'AttachError',
      code: 'ERR_EBPF_NOT_FOUND',
      program: 'on_exec',
      detached: ['on_system_call'],
      message: expect.stringMatching(
        /^program "on_exec" could not be attached: no raw tracepoint is named "sched_process_exce"; did you mean "sched_process_exec"/,
      ) as string,
    });
    expect(ebpf.links).toEqual([]);
    expect(ebpf.program('on_system_call').links).toEqual([]);
    const calls = ebpf.variable('system_calls').value;
    process.getuid?.();
    readFileSync('/proc/self/stat');
    expect(ebpf.variable('system_calls').value).toBe(calls);
    await ebpf.close();
  });

  test('leaves programs that cannot be attached by this version', async () => {
    const ebpf = await Ebpf.load(sample('maps'));
    const { links, unattached } = await ebpf.attach();
    expect(links).toEqual([]);
    expect(unattached).toEqual([
      { program: ebpf.program('touch'), reason: 'its section "raw_tp" names no tracepoint' },
    ]);
    await ebpf.close();
  });

  test('an aborted signal attaches nothing', async () => {
    const ebpf = await loadRawTracepoint();
    await expect(ebpf.attach({ signal: AbortSignal.abort('no') })).rejects.toBe('no');
    expect(ebpf.links).toEqual([]);
    await ebpf.close();
  });

  test('twice at once attaches once', async () => {
    const ebpf = await loadRawTracepoint();
    const [first, second] = await Promise.all([ebpf.attach(), ebpf.attach()]);
    expect([first.links.length, second.links.length]).toEqual([2, 0]);
    expect(second.unattached.map(({ reason }) => reason)).toEqual(['it is attached already', 'it is attached already']);
    await ebpf.close();
  });

  test('while the object is closed leaves nothing attached', async () => {
    const ebpf = await loadRawTracepoint();
    const attaching = ebpf.attach().catch((error: unknown) => error);
    const program = ebpf.program('on_exec').attach();
    const closing = ebpf.close();
    await expect(program).rejects.toMatchObject({ code: 'ERR_EBPF_CLOSED', message: 'program "on_exec" is closed' });
    await expect(attaching).resolves.toMatchObject({ code: 'ERR_EBPF_CLOSED' });
    await closing;
    expect(ebpf.links).toEqual([]);
  });

  test('is reported to diagnostics_channel', async () => {
    const messages: unknown[] = [];
    const listen = (message: unknown): void => {
      messages.push(message);
    };
    const ebpf = await loadRawTracepoint();
    subscribe('node-ebpf:attach', listen);
    await ebpf.attach();
    unsubscribe('node-ebpf:attach', listen);
    await ebpf.close();
    expect(messages).toEqual([
      { program: 'on_system_call', target: 'raw_tp sys_enter' },
      { program: 'on_exec', target: 'raw_tp sched_process_exec' },
    ] satisfies AttachMessage[]);
  });
});

describe('RawTracepoint', () => {
  test('fires while its link is open, and not after', async () => {
    const ebpf = await loadRawTracepoint();
    const calls = (): bigint => ebpf.variable('system_calls').value as bigint;
    const link = await ebpf.program('on_system_call', RawTracepoint).attach();
    expect(link).toBeInstanceOf(RawTracepointLink);
    readFileSync('/proc/self/stat');
    const during = calls();
    expect(during).toBeGreaterThan(0n);
    await link.close();
    await link.detach();
    const after = calls();
    readFileSync('/proc/self/stat');
    expect(calls()).toBe(after);
    expect(link.closed).toBe(true);
    expect(ebpf.links).toEqual([]);
    expect(() => link.info()).toThrow(
      expect.objectContaining({
        code: 'ERR_EBPF_CLOSED',
        message: 'the link of program "on_system_call" to raw_tp sys_enter is closed',
      }) as Error,
    );
    await ebpf.close();
  });

  test('attaches where it is told to', async () => {
    const ebpf = await Ebpf.load(sample('maps'));
    const program = ebpf.program('touch', RawTracepoint);
    await expect(program.attach()).rejects.toMatchObject({
      code: 'ERR_EBPF_INVALID_VALUE',
      message: 'tracepoint: section "raw_tp" of program "touch" names none; give { tracepoint: \'name\' }',
    });
    const link = await program.attach({ tracepoint: 'sched_process_exit' });
    expect(link.target).toBe('raw_tp sched_process_exit');
    expect(inspect(link)).toBe("RawTracepointLink { 'touch' at 'raw_tp sched_process_exit' }");
    expect(inspect(program)).toBe('RawTracepoint { \'touch\', SEC("raw_tp"), attached to raw_tp sched_process_exit }');
    const { programId, type } = link.info();
    expect({ programId, type }).toEqual({ programId: program.info().id, type: 1 });
    await link.close();
    await ebpf.close();
  });
});

describe('BtfTracepoint', () => {
  test('fires with its arguments', async () => {
    const shell = new Executor();
    const ebpf = await Ebpf.load(sample('execsnoop'), { variables: { target_ppid: shell.pid } });
    const link = await ebpf.program('exec', BtfTracepoint).attach();
    expect(link).toBeInstanceOf(RawTracepointLink);
    expect(link.info().type).toBe(1);
    expect(link.survivesProcess).toBe(false);
    await shell.execute('/bin/true');
    expect(ebpf.map('execs_by_uid').raw.nextKey(null, new Uint8Array(4))).toBe(true);
    await ebpf.close();
    expect(link.closed).toBe(true);
    await shell.end();
  });

  test("a second attach of the same program is the kernel's to judge", async () => {
    const ebpf = await Ebpf.load(sample('execsnoop'), { variables: { target_ppid: 1 } });
    const program = ebpf.program('exec', BtfTracepoint);
    const links = await Promise.allSettled([program.attach(), program.attach()]);
    expect(links[0].status).toBe('fulfilled');
    expect(ebpf.links).toHaveLength(links.filter(({ status }) => status === 'fulfilled').length);
    await ebpf.close();
  });
});

describe('testRun', () => {
  test('runs a program on made-up arguments', async () => {
    const ebpf = await Ebpf.load(sample('maps'));
    const { returnValue, durationNs } = await ebpf.program('touch').testRun({ context: rawArguments(1, 2) });
    expect(returnValue).toBe(0);
    expect(typeof durationNs).toBe('number');
    expect(ebpf.variable('touched').value).toBe(1n);
    await ebpf.close();
  });

  test('of a type that cannot be run is refused by the kernel', async () => {
    const ebpf = await Ebpf.load(sample('tracepoint'));
    await expect(ebpf.program('on_exec').testRun()).rejects.toMatchObject({
      name: 'KernelError',
      errnoName: 'ENOTSUPP',
      syscall: 'bpf(BPF_PROG_TEST_RUN)',
      message: 'cannot test-run program "on_exec": bpf(BPF_PROG_TEST_RUN) failed with ENOTSUPP',
    });
    await ebpf.close();
  });
});

describe('kinds', () => {
  test('a program is of the class of its section', async () => {
    const ebpf = await Ebpf.load(sample('tracepoint'));
    const program = ebpf.program('on_exec');
    expect(program).toBeInstanceOf(Tracepoint);
    expect(ebpf.program('on_exec', Program)).toBe(program);
    expect(() => ebpf.program('on_exec', BtfTracepoint)).toThrow(
      expect.objectContaining({
        name: 'UsageError',
        code: 'ERR_EBPF_INVALID_VALUE',
        message:
          'program "on_exec": it is a Tracepoint, by its section "tracepoint/sched/sched_process_exec", ' +
          'not a BtfTracepoint',
      }) as Error,
    );
    await ebpf.close();
  });

  test('programs that are not to be loaded are left out', async () => {
    const spec = specOf('raw_tracepoint');
    spec.program('on_exec').autoload = false;
    const ebpf = await Ebpf.load(spec);
    expect(ebpf.programs.map(({ name }) => name)).toEqual(['on_system_call']);
    expect(() => ebpf.program('on_exec')).toThrow(
      expect.objectContaining({
        code: 'ERR_EBPF_NOT_FOUND',
        message: 'no loaded program of "raw_tracepoint.bpf.o" is named "on_exec"; there are "on_system_call"',
      }) as Error,
    );
    await ebpf.close();
  });
});

test('functions in .text, global, static and weak, are called', async () => {
  const ebpf = await Ebpf.load(sample('subprograms'));
  for (const program of ebpf.programs) {
    const { returnValue } = await program.testRun({ context: rawArguments(3, 4) });
    expect(returnValue).toBe(0);
  }
  expect(ebpf.variable('runs').value).toBe(7n);
  await ebpf.close();
});

test('a program can be closed and stays while a link holds it', async () => {
  const ebpf = await loadRawTracepoint();
  const program = ebpf.program('on_system_call');
  const link = await program.attach();
  program.close();
  expect(program.closed).toBe(true);
  const before = ebpf.variable('system_calls').value as bigint;
  readFileSync('/proc/self/stat');
  expect(ebpf.variable('system_calls').value).toBeGreaterThan(before);
  await link.close();
  await ebpf.close();
});
