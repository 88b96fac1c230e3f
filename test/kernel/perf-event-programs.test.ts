// Programs at perf events: of this process and of cgroups of the tests' own, but for one timer on every CPU.
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

import {
  Ebpf,
  HashMap,
  LinkType,
  PerfEvent,
  PerfEventsLink,
  features,
  type PerfEventAttachOptions,
} from '../../lib/index.js';
import { TestCgroup } from '../helpers/cgroup.js';
import { heldObjects } from '../helpers/held-objects.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { until } from '../helpers/until.js';

const hasBreakpoints =
  existsSync('/sys/bus/event_source/devices/breakpoint') &&
  process.arch !== 's390x' &&
  kernelHasSymbol('modprobe_path');

let ebpf: Ebpf;
let program: PerfEvent;

beforeEach(async () => {
  ebpf = await Ebpf.load(sample('perf_event'), { variables: { target_pid: process.pid } });
  program = ebpf.program('count', PerfEvent);
});

afterEach(async () => {
  await ebpf.close();
});

const runs = (): bigint => ebpf.variable('runs').value as bigint;
const runsOfTarget = (): bigint => ebpf.variable('runs_of_target').value as bigint;

/** Takes this thread's time until the program has run for it; fails after five seconds. */
async function busyUntil(condition: () => boolean): Promise<void> {
  const end = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`still not true after five seconds: ${condition.toString()}`);
    const turn = Date.now() + 5;
    while (Date.now() < turn) readFileSync('/proc/self/stat');
    await sleep(0);
  }
}

/** So much that the C library asks the kernel for it each time: M_MMAP_THRESHOLD is 32 MiB at most. */
const muchMemory = 40 << 20;

/** Writes memory that this process did not have before. */
function touchMemory(): void {
  const memory = Buffer.allocUnsafeSlow(muchMemory);
  for (let offset = 0; offset < 4 << 20; offset += 4096) memory[offset] = 1;
}

/** Where the kernel has the name of its helper, which reading a file of /proc reads. */
function modprobePath(): bigint {
  const [, address = ''] = /^([0-9a-f]+) \w modprobe_path$/mu.exec(readFileSync('/proc/kallsyms', 'latin1')) ?? [];
  return BigInt(`0x${address}`);
}

describe('programs of perf events', () => {
  test('run by a timer on every CPU, which one object ends', async () => {
    const link = await program.attach({ event: 'cpu-clock', frequency: 997 });
    expect(link.target).toBe('perf_event cpu-clock');
    const online = readFileSync('/proc/stat', 'utf8').match(/^cpu\d/gmu)?.length;
    expect(link.links).toHaveLength(online ?? -1);
    expect(link.links[0]?.target).toBe('perf_event cpu-clock (CPU 0)');
    expect(program.links).toEqual([link]);
    await busyUntil(() => runsOfTarget() > 10n);
    await link.close();
    expect(link.links.every(({ closed }) => closed)).toBe(true);
    const before = runs();
    await sleep(50);
    expect(runs()).toBe(before);
    expect(program.links).toEqual([]);
  });

  test('run once per so many events of a process, on all its threads', async () => {
    const worker = new Worker(
      `const { parentPort } = require('node:worker_threads');
       parentPort.on('message', () => parentPort.postMessage(Buffer.alloc(40 << 20, 1).length));
       parentPort.postMessage('ready');`,
      { eval: true },
    );
    try {
      await new Promise((resolve) => worker.once('message', resolve));
      const link = await program.attach({ event: 'page-faults', period: 1, pid: process.pid });
      touchMemory();
      await new Promise((resolve) => {
        worker.once('message', resolve);
        worker.postMessage('go');
      });
      await link.close();
      expect(runsOfTarget()).toBeGreaterThan(0n);
      expect(runs()).toBe(runsOfTarget());
      expect([...ebpf.map('runs_by_thread', HashMap).keys()].length).toBeGreaterThan(1);
    } finally {
      await worker.terminate();
    }
  });

  test('run for one thread, and for those that it makes when that is asked for', async () => {
    const threads = ebpf.map('runs_by_thread', HashMap);
    const alone = await program.attach({ event: 'page-faults', period: 1, thread: process.pid });
    expect(alone.links).toHaveLength(1);
    touchMemory();
    await new Worker('Buffer.alloc(40 << 20, 1)', { eval: true }).terminate();
    expect([...threads.keys()]).toEqual([process.pid]);
    await alone.close();

    await program.attach({ event: 'page-faults', period: 1, thread: process.pid, inherit: true });
    const worker = new Worker('Buffer.alloc(40 << 20, 1)', { eval: true });
    await new Promise((resolve) => worker.once('exit', resolve));
    expect([...threads.keys()].length).toBeGreaterThan(1);
  });

  test('leave out the kernel or user space', async () => {
    const inUser = await program.attach({ event: 'page-faults', period: 1, thread: process.pid, excludeUser: true });
    touchMemory();
    await inUser.close();
    const kernelOnly = runs();
    const all = await program.attach({ event: 'page-faults', period: 1, thread: process.pid });
    touchMemory();
    await all.close();
    expect(runs() - kernelOnly).toBeGreaterThan(kernelOnly);
  });

  test('run on the CPUs that are given', async () => {
    const link = await program.attach({ event: 'cpu-clock', period: 1_000_000, cpus: [0] });
    expect(link.target).toBe('perf_event cpu-clock on CPU 0');
    await until(() => runs() > 3n);
    expect(ebpf.variable('last_period').value).toBeGreaterThanOrEqual(1_000_000n);
    await busyUntil(() => runs() > 20n);
    expect([...ebpf.map('runs_by_cpu', HashMap).keys()].filter((cpu) => cpu !== 0)).toEqual([]);
  });

  test('run for the processes of a cgroup', async () => {
    const cgroup = new TestCgroup('perf');
    const link = await program
      .attach({ event: 'cpu-clock', frequency: 997, cgroup: cgroup.path })
      .catch((error: unknown) => error);
    try {
      if (!(link instanceof PerfEventsLink)) {
        // Machines that have the controller in a hierarchy of version 1 still.
        expect((link as Error).message).toMatch(/perf_event, which is that of cgroup2/);
        expect(readFileSync('/proc/mounts', 'utf8')).toMatch(/ cgroup \S*perf_event/);
        return;
      }
      const end = Date.now() + 50;
      while (Date.now() < end) readFileSync('/proc/self/stat');
      expect(runs()).toBe(0n);
      await cgroup.within(async () => busyUntil(() => runsOfTarget() > 3n));
      await link.close();
      expect(runs()).toBe(runsOfTarget());
    } finally {
      await ebpf.close();
      cgroup.close();
    }
  });

  testIf(hasBreakpoints, 'breakpoints')('run when a place in memory is looked at', async () => {
    const address = modprobePath();
    const link = await program.attach({ event: { address, access: 'rw', length: 1 }, thread: process.pid });
    expect(link.target).toBe(`perf_event breakpoint 0x${address.toString(16)}:rw of thread ${process.pid}`);
    expect(runs()).toBe(0n);
    // Read at once: by this thread, not by one of libuv's.
    readFileSync('/proc/sys/kernel/modprobe');
    expect(runs()).toBeGreaterThan(0n);
    expect(ebpf.variable('last_address').value).toBe(address);
    await link.close();
    const before = runs();
    readFileSync('/proc/sys/kernel/modprobe');
    expect(runs()).toBe(before);
  });

  for (const [whose, scope] of [
    ['a process', { pid: process.pid }],
    ['a CPU, of all processes', { cpus: [0] }],
    ['all CPUs and processes', {}],
  ] as const) {
    testIf(hasBreakpoints, 'breakpoints')(`run at a breakpoint of ${whose}`, async () => {
      const link = await program.attach({ event: { address: modprobePath(), access: 'rw', length: 1 }, ...scope });
      await busyUntil(() => {
        readFileSync('/proc/sys/kernel/modprobe');
        return runsOfTarget() > 0n;
      });
      const cpus = [...ebpf.map('runs_by_cpu', HashMap).keys()];
      if ('cpus' in scope) expect(cpus).toEqual([0]);
      await link.close();
      const before = runsOfTarget();
      readFileSync('/proc/sys/kernel/modprobe');
      expect(runsOfTarget()).toBe(before);
    });
  }

  test('have a link where the kernel has one', async () => {
    const link = await program.attach({ event: 'cpu-clock', frequency: 10, thread: process.pid });
    if ((await features.perfLink()).supported) {
      expect(link.info()).toMatchObject({ type: LinkType.PERF_EVENT, programId: program.info().id });
    } else {
      expect(() => link.info()).toThrow(expect.objectContaining({ code: 'ERR_EBPF_UNSUPPORTED', since: '5.15' }));
    }
    const several = await program.attach({ event: 'cpu-clock', frequency: 10, pid: process.pid });
    expect(several.links.length).toBeGreaterThan(1);
    expect(() => several.info()).toThrow(/use those of link\.links/);
    expect(() => {
      several.pin('/sys/fs/bpf/never');
    }).toThrow(expect.objectContaining({ code: 'ERR_EBPF_UNSUPPORTED' }));
  });

  test('take a cookie, or say that the kernel has none', async () => {
    const { supported } = await features.bpfCookie();
    if (!supported) {
      const attached = program.attach({ event: 'cpu-clock', frequency: 10, thread: process.pid, cookie: 7 });
      await expect(attached).rejects.toMatchObject({ code: 'ERR_EBPF_UNSUPPORTED', since: '5.15' });
      return;
    }
    const spec = ebpf.spec.clone();
    spec.program('with_cookie').autoload = true;
    const own = await Ebpf.load(spec);
    try {
      const attach = own.program('with_cookie', PerfEvent);
      await attach.attach({ event: 'page-faults', period: 1, thread: process.pid, cookie: 0x1234_5678_9abcn });
      touchMemory();
      expect(own.variable('last_cookie').value).toBe(0x1234_5678_9abcn);
    } finally {
      await own.close();
    }
  });

  test('are left alone by ebpf.attach(), with the reason', async () => {
    const { links, unattached } = await ebpf.attach();
    expect(links).toEqual([]);
    expect(unattached.map(({ reason }) => reason)).toEqual([
      `section "perf_event" names no event; give attach({ event: 'cpu-clock', frequency: 99 })`,
    ]);
  });

  test('are not attached anywhere when one of the places fails or the caller gives up', async () => {
    const before = heldObjects();
    const everywhere = { event: 'cpu-clock', frequency: 10 };
    await expect(program.attach({ ...everywhere, signal: AbortSignal.abort('no more') })).rejects.toBe('no more');
    const controller = new AbortController();
    const attached = program.attach({ ...everywhere, pid: process.pid, signal: controller.signal });
    setImmediate(() => {
      controller.abort('meanwhile');
    });
    await expect(attached).rejects.toBe('meanwhile');
    const closing = program.attach({ ...everywhere, pid: process.pid });
    program.close();
    await expect(closing).rejects.toMatchObject({ code: 'ERR_EBPF_CLOSED' });
    await until(() => [...heldObjects().keys()].filter((key) => !before.has(key)).length === 0);
    expect(program.links).toEqual([]);
  });

  const mistakes: readonly [string, Partial<PerfEventAttachOptions> | undefined, object][] = [
    ['no options', undefined, { path: 'event' }],
    ['no rate', { event: 'cpu-clock' }, { path: 'period' }],
    ['two rates', { event: 'cpu-clock', period: 1, frequency: 1 }, { path: 'frequency' }],
    ['a rate of nothing', { event: 'cpu-clock', period: 0 }, { path: 'period' }],
    ['a rate beyond the limit', { event: 'cpu-clock', frequency: 10_000_000 }, { path: 'frequency' }],
    ['a name that is near', { event: 'cpu-clok', period: 1 }, { suggestions: ['cpu-clock'] }],
    ['a PMU that is not there', { event: 'cpuu/event=1/', period: 1 }, { code: 'ERR_EBPF_NOT_FOUND' }],
    ['a path', { event: '../..//', period: 1 }, { code: 'ERR_EBPF_NOT_FOUND' }],
    ['a tracepoint', { event: 'sched:sched_switch', period: 1 }, { path: 'event' }],
    ['a tracepoint by number', { event: { type: 2, config: 1 }, period: 1 }, { path: 'event' }],
    ['an access that is none', { event: { address: 8, access: 'q' as 'r' } }, { path: 'event.access' }],
    ['an address that is none', { event: { address: -8, access: 'r' } }, { path: 'event.address' }],
    ['a process that is not there', { event: 'cpu-clock', period: 1e6, pid: 0x7fff_fff0 }, { path: 'pid' }],
    ['a thread that is not there', { event: 'cpu-clock', period: 1e6, thread: 0x7fff_fff0 }, { path: 'thread' }],
    ['a CPU that is not there', { event: 'cpu-clock', period: 1e6, cpus: [9999] }, { path: 'cpus' }],
    ['a process and a thread', { event: 'cpu-clock', period: 1e6, pid: 1, thread: 1 }, { path: 'thread' }],
    ['inheritance of all', { event: 'cpu-clock', period: 1e6, inherit: true }, { path: 'inherit' }],
    ['a cgroup that is none', { event: 'cpu-clock', period: 1e6, cgroup: '/tmp' }, { path: 'cgroup' }],
  ];
  test.each(mistakes)('refuse %s', async (_, options, expected) => {
    await expect(program.attach(options as PerfEventAttachOptions)).rejects.toMatchObject(expected);
  });

  test('say so when the processor does not count an event', async () => {
    // Whatever hardware has, it does not prefetch into its cache of instructions' translations: `perf list` has no such event.
    await expect(program.attach({ event: 'iTLB-prefetches', frequency: 99 })).rejects.toMatchObject({
      code: 'ERR_EBPF_UNSUPPORTED',
      message: expect.stringMatching(/"cpu-clock", are on every machine/) as unknown,
    });
  });
});
