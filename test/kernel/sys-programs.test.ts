import { constants, endianness } from 'node:os';
import { join } from 'node:path';

import { LinkType, MapType, ProgramType } from '../../lib/abi/index.js';
import { UsageError } from '../../lib/errors/index.js';
import {
  createMap,
  detachLink,
  listIds,
  loadBtf,
  loadProgram,
  LogLevel,
  mapUpdateHandle,
  objectInfo,
  openById,
  openPerfEvent,
  openPerfEventAsync,
  openRawTracepoint,
  perfEventIoctl,
  perfEventIoctlAsync,
  PerfEventRequest,
  testRunProgram,
  type Handle,
  type LoadProgramOptions,
} from '../../lib/sys/index.js';
import { intBtf, longProgram, packet, returning, uninitialised } from '../helpers/assemble.js';
import { runChild } from '../helpers/child.js';
import { hasJit } from '../helpers/kernel-symbols.js';
import { kernelHasFunction } from '../helpers/kernel-types.js';
import { openDescriptors } from '../helpers/open-descriptors.js';
import { testIf } from '../helpers/skip.js';
import { until } from '../helpers/until.js';

const { EACCES, EINVAL } = constants.errno;

/** Programs may call functions of modules too: Linux 5.16; these can be told from 6.2 on. */
const hasFunctions = hasJit && kernelHasFunction('bpf_rcu_read_lock');

const opened: Handle[] = [];
afterEach(() => {
  for (const handle of opened.splice(0)) handle.close();
});

function keep(handle: Handle): Handle {
  opened.push(handle);
  return handle;
}

const filter = (code: Uint8Array, changes: Partial<LoadProgramOptions> = {}): LoadProgramOptions => ({
  type: ProgramType.SOCKET_FILTER,
  name: 'sys_test',
  code,
  bindings: [],
  license: 'GPL',
  ...changes,
});

async function load(options: LoadProgramOptions): Promise<Handle> {
  const result = await loadProgram(options);
  if (result.handle === undefined) throw new Error(result.log);
  return keep(result.handle);
}

describe('a program', () => {
  test('is loaded, described and run', async () => {
    const program = await load(filter(returning(7)));
    expect(objectInfo(program, 'program')).toMatchObject({
      type: ProgramType.SOCKET_FILTER,
      name: 'sys_test',
      mapIds: [],
      createdByUid: 0,
    });
    const { returnValue, dataOut } = await testRunProgram(program, {
      data: packet(Uint8Array.of(1, 2, 3)),
      repeat: 10,
    });
    expect(returnValue).toBe(7);
    expect(dataOut.length).toBeGreaterThanOrEqual(3);
    expect([...dataOut.subarray(-3)]).toEqual([1, 2, 3]);
  });

  test('that the verifier refuses gives the errno and the log', async () => {
    const result = await loadProgram(filter(uninitialised));
    expect(result).toMatchObject({ errno: -EACCES, logTruncated: false });
    expect(result.log).toContain('R3 !read_ok');
  });

  test('has a log on success when one is asked for', async () => {
    const result = await loadProgram(filter(returning(0), { logLevel: 1 }));
    if (result.handle !== undefined) keep(result.handle);
    expect(result.handle).toBeDefined();
    expect(result.log).toContain('processed 2 insns');
  });

  test('whose log is longer than what is kept still gives the errno of the refusal', async () => {
    // Kernels before 6.4 take no buffer of less than 128 bytes.
    const code = Uint8Array.from([...longProgram(40).subarray(0, -8), ...uninitialised]);
    const result = await loadProgram(filter(code, { logSize: 128 }));
    expect(result).toMatchObject({ errno: -EACCES, logTruncated: true });
    expect(result.log.length).toBeGreaterThan(60);
    expect(result.log.length).toBeLessThanOrEqual(128);
  });

  test('with a log of megabytes has all of it', async () => {
    const code = Uint8Array.from([...longProgram(40_000).subarray(0, -8), ...uninitialised]);
    const result = await loadProgram(filter(code));
    expect(result).toMatchObject({ errno: -EACCES, logTruncated: false });
    expect(result.log.length).toBeGreaterThan(500_000);
    expect(result.log).toMatch(/^0: /m);
    expect(result.log).toContain('R3 !read_ok');
  });

  test('with a log of megabytes on success has all of it', async () => {
    const result = await loadProgram(filter(longProgram(40_000), { logLevel: LogLevel.ALL | LogLevel.STATISTICS }));
    if (result.handle !== undefined) keep(result.handle);
    expect(result).toMatchObject({ handle: expect.anything(), logTruncated: false });
    expect(result.log).toMatch(/^0: /m);
    expect(result.log).toMatch(/^39999: \(95\) exit\b/m);
    expect(result.log).toContain('processed 40000 insns');
  });

  test('is loaded though its log is longer than what is kept', async () => {
    const result = await loadProgram(filter(longProgram(40), { logLevel: LogLevel.ALL, logSize: 128 }));
    if (result.handle !== undefined) keep(result.handle);
    expect(result).toMatchObject({ handle: expect.anything(), logTruncated: true });
    expect(result.log.length).toBeGreaterThan(60);
    expect(result.log.length).toBeLessThanOrEqual(128);
  });

  test('that is refused has the log of that, whatever was asked', async () => {
    for (const logLevel of [LogLevel.STATISTICS, LogLevel.ALL]) {
      const asked = await loadProgram(filter(uninitialised, { logLevel }));
      expect(asked).toMatchObject({ errno: -EACCES, logTruncated: false });
      expect(asked.log).toMatch(/^0: \(bf\) r0 = r3\b/m);
      expect(asked.log).toContain('R3 !read_ok');
    }
  });

  test('the size of a long log is asked of the kernel, where it says it', async () => {
    const { stderr } = await runChild(join(__dirname, 'children', 'sys-verifier-log.ts'), [], {
      environment: { NODE_DEBUG: 'ebpf' },
    });
    const loads = [...stderr.matchAll(/bpf\(BPF_PROG_LOAD\) = (\S+)/g)].map(([, result = '']) =>
      /^\d+$/.test(result) ? 'loaded' : result,
    );
    // log_true_size came with this function, in Linux 6.4; before, 64 KiB, 1 MiB and 16 MiB are tried.
    if (kernelHasFunction('bpf_vlog_finalize')) expect(loads).toEqual(['ENOSPC', 'loaded']);
    else expect(loads.slice(-2)).toEqual(['ENOSPC', 'loaded']);
    expect(loads.length).toBeLessThanOrEqual(3);
  });

  test('refers to its maps by handle', async () => {
    const map = keep(await createMap({ type: MapType.ARRAY, name: 'bound', keySize: 4, valueSize: 4, maxEntries: 1 }));
    const code = Uint8Array.from([...[0x18, 0x11], ...new Array<number>(14).fill(0), ...returning(3)]);
    const program = await load(filter(code, { bindings: [{ offset: 4, handle: map }] }));
    expect(objectInfo(program, 'program').mapIds).toEqual([objectInfo(map, 'map').id]);
    // Neither the caller's code nor anything else in JavaScript ever showed the descriptor.
    expect([...code.subarray(0, 16)]).toEqual([0x18, 0x11, ...new Array<number>(14).fill(0)]);
    await expect(loadProgram(filter(code, { bindings: [{ offset: 29, handle: map }] }))).resolves.toMatchObject({
      errno: -EINVAL,
    });
    map.close();
    await expect(loadProgram(filter(code, { bindings: [{ offset: 4, handle: map }] }))).rejects.toThrow(
      'map "bound" is closed',
    );
  });

  testIf(hasFunctions, 'kernel functions')('names the modules whose functions it calls by handle', async () => {
    // A call of kernel function 1 of the first module, which is none of a module: the kernel has read the descriptor.
    const call = new DataView(new ArrayBuffer(8));
    call.setUint8(0, 0x85);
    call.setUint8(1, endianness() === 'LE' ? 0x20 : 0x02);
    call.setInt16(2, 1, endianness() === 'LE');
    call.setInt32(4, 1, endianness() === 'LE');
    const code = Uint8Array.from([...new Uint8Array(call.buffer), ...returning(0)]);
    const btf = keep(await loadBtf(intBtf()));
    const refusal = async (functionModules: readonly Handle[]): Promise<unknown> =>
      loadProgram(filter(code, { functionModules }));
    await expect(refusal([btf])).resolves.toMatchObject({ log: expect.stringContaining('is not a module BTF') });
    // Without an array, or with what is no BTF, it says so.
    await expect(refusal([])).resolves.toMatchObject({ log: expect.stringContaining('without fd_array') });
    const map = keep(await createMap({ type: MapType.ARRAY, name: 'no_btf', keySize: 4, valueSize: 4, maxEntries: 1 }));
    await expect(refusal([map])).resolves.toMatchObject({ log: expect.stringContaining('invalid module BTF fd') });
  });

  test('is put into a program array by handle', async () => {
    const program = await load(filter(returning(0)));
    const array = keep(
      await createMap({ type: MapType.PROG_ARRAY, name: 'jumps', keySize: 4, valueSize: 4, maxEntries: 1 }),
    );
    expect(mapUpdateHandle(array, new Uint8Array(4), program, 0)).toBe(0);
    expect(mapUpdateHandle(array, new Uint8Array(4), array, 0)).toBe(-EINVAL);
  });

  test('of broken bytes is refused before the kernel sees it', async () => {
    await expect(loadProgram(filter(new Uint8Array(12)))).rejects.toThrow(UsageError);
    await expect(loadProgram(filter(new Uint8Array(0)))).rejects.toThrow(UsageError);
  });

  test('being run stays until the run is over, though it is closed meanwhile', async () => {
    const before = openDescriptors();
    const program = await load(filter(returning(5)));
    const { id } = objectInfo(program, 'program');
    const run = testRunProgram(program, { data: packet(new Uint8Array(8)), repeat: 5_000_000 });
    program.close();
    expect(listIds('program')).toContain(id);
    await expect(run).resolves.toMatchObject({ returnValue: 5 });
    expect(openDescriptors()).toEqual(before);
    await until(() => !listIds('program').includes(id));
  });

  test('that is closed off the event loop while it runs is closed when the run is over', async () => {
    const before = openDescriptors();
    const program = await load(filter(returning(5)));
    const order: string[] = [];
    const run = testRunProgram(program, { data: packet(new Uint8Array(8)), repeat: 5_000_000 });
    const closed = program.closeAsync();
    await Promise.all([run.then(() => order.push('run')), closed.then(() => order.push('closed'))]);
    expect(order).toEqual(['run', 'closed']);
    expect(openDescriptors()).toEqual(before);
    await expect(testRunProgram(program)).rejects.toThrow('program "sys_test" is closed');
  });

  test('that keeps the verifier busy does not hold up the event loop', async () => {
    const code = longProgram(400_000);
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await load(filter(code));
    clearInterval(timer);
    // It takes a quarter of a second and more, and the loop turned all the while.
    expect(turns).toBeGreaterThan(20);
  });
});

describe('a link', () => {
  test('is made for a raw tracepoint, described, and closed', async () => {
    const program = await load(filter(returning(0), { type: ProgramType.RAW_TRACEPOINT }));
    const link = keep(await openRawTracepoint(program, 'sched_process_exec'));
    const info = objectInfo(link, 'link');
    expect(info).toMatchObject({
      type: LinkType.RAW_TRACEPOINT,
      programId: objectInfo(program, 'program').id,
    });
    expect(listIds('link')).toContain(info.id);
    const again = keep(openById('link', info.id));
    again.close();
    await link.closeAsync();
    await until(() => !listIds('link').includes(info.id));
  });

  test('to a tracepoint that does not exist is refused by name', async () => {
    const program = await load(filter(returning(0), { type: ProgramType.RAW_TRACEPOINT }));
    await expect(openRawTracepoint(program, 'no_such_tracepoint')).rejects.toMatchObject({
      errnoName: 'ENOENT',
      message:
        'cannot attach program "sys_test" to raw tracepoint "no_such_tracepoint": ' +
        'bpf(BPF_RAW_TRACEPOINT_OPEN) failed with ENOENT',
    });
    await expect(openRawTracepoint(program, 'a\0b')).rejects.toThrow(UsageError);
  });

  test('of a kind that cannot be detached says so', async () => {
    const program = await load(filter(returning(0), { type: ProgramType.RAW_TRACEPOINT }));
    const link = keep(await openRawTracepoint(program, 'sched_process_exec'));
    await expect(detachLink(link)).resolves.toBe(false);
  });
});

describe('BTF', () => {
  test('is loaded and described', async () => {
    const btf = keep(await loadBtf(intBtf()));
    expect(objectInfo(btf, 'btf')).toMatchObject({ kernel: false, name: '' });
    expect(listIds('btf')).toContain(objectInfo(btf, 'btf').id);
  });

  test('that is malformed is refused with the reason of the kernel', async () => {
    const bytes = intBtf();
    // The kind of its only type: 0 is that of no type, on any kernel and in either byte order.
    bytes.fill(0, 24 + 4, 24 + 8);
    await expect(loadBtf(bytes)).rejects.toThrow(
      /cannot load BTF: bpf\(BPF_BTF_LOAD\) failed with EINVAL; the kernel says: .*Invalid kind/s,
    );
  });
});

describe('a perf event', () => {
  // PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY: counts nothing.
  const dummy = { fields: { type: 1, config: 9, sample_period: 1 }, pid: 0, cpu: -1 };

  test('is opened and controlled, at once and off the event loop', async () => {
    for (const event of [keep(openPerfEvent(dummy)), keep(await openPerfEventAsync(dummy))]) {
      perfEventIoctl(event, PerfEventRequest.ENABLE);
      await perfEventIoctlAsync(event, PerfEventRequest.DISABLE);
    }
  });

  test('takes a program of the right type only', async () => {
    const event = keep(openPerfEvent(dummy));
    const wrong = await load(filter(returning(0)));
    expect(() => perfEventIoctl(event, PerfEventRequest.SET_BPF, wrong)).toThrow(
      'ioctl(PERF_EVENT_IOC_SET_BPF) failed with EINVAL',
    );
    const right = await load(filter(returning(0), { type: ProgramType.PERF_EVENT }));
    await perfEventIoctlAsync(event, PerfEventRequest.SET_BPF, right);
    right.close();
    expect(() => perfEventIoctl(event, PerfEventRequest.SET_BPF, right)).toThrow('program "sys_test" is closed');
  });

  test('is led by another one, which has to be a perf event', async () => {
    const leader = keep(openPerfEvent(dummy));
    keep(openPerfEvent({ ...dummy, group: leader }));
    const program = await load(filter(returning(0)));
    expect(() => openPerfEvent({ ...dummy, group: program })).toThrow('EBADF');
    expect(() => perfEventIoctl(program, PerfEventRequest.ENABLE)).toThrow('EBADF');
    leader.close();
    expect(() => openPerfEvent({ ...dummy, group: leader })).toThrow('perf event is closed');
  });

  test.each([
    ['QUERY_BPF', 0xc008_240a],
    ['ID', 0x8008_2407],
    ['SET_FILTER', 0x4008_2406],
  ])('refuses %s, a request that takes an address', (_name, request) => {
    const event = keep(openPerfEvent(dummy));
    expect(() => perfEventIoctl(event, request as PerfEventRequest, 0x1000)).toThrow('EINVAL');
  });

  test('that the kernel refuses says what was opened', () => {
    expect(() => openPerfEvent({ ...dummy, fields: { type: 99 }, name: 'event "x"' })).toThrow(
      /cannot open event "x": perf_event_open failed with E/,
    );
  });
});
