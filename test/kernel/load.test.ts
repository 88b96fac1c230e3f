import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { inspect } from 'node:util';

import {
  BpfMap,
  BtfTracepoint,
  Ebpf,
  HashMap,
  ObjectSpec,
  RingBuffer,
  cstr,
  struct,
  u32,
  u64,
  type LoadMessage,
} from '../../lib/index.js';
import { Executor, heldIds } from '../helpers/command.js';
import { emulated } from '../helpers/emulation.js';
import { hasKernelBtf } from '../helpers/kernel-types.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const execsnoop = sample('execsnoop');
const Exec = struct('event', { ts: u64, pid: u32, ppid: u32, uid: u32, comm: cstr(16), filename: cstr(128) });
const Count = struct('exec_count', { execs: u64, last_ts: u64 });

/** For what is shown with execsnoop, which attaches by BTF and reads by CO-RE. */
const testWithTypes = testIf(hasKernelBtf, 'kernel BTF');

testWithTypes('an object on disk becomes decoded events', async () => {
  const shell = new Executor();
  const ebpf = await Ebpf.load(execsnoop, { variables: { target_ppid: shell.pid } });
  try {
    const { links, unattached } = await ebpf.attach();
    expect(links.map(({ program, target }) => ({ program, target }))).toEqual([
      { program: 'exec', target: 'tp_btf sched_process_exec' },
    ]);
    expect(unattached).toEqual([]);
    const reader = ebpf.map('events', RingBuffer.of(Exec)).read();
    const pids: number[] = [];
    for (const path of ['/bin/true', '/bin/false', '/bin/true']) pids.push(await shell.execute(path));
    const events = [];
    for await (const event of reader) {
      events.push(event);
      if (events.length === 3) break;
    }
    expect(events.map(({ ts: _, ...event }) => event)).toEqual([
      { pid: pids[0], ppid: shell.pid, uid: 0, comm: 'true', filename: '/bin/true' },
      { pid: pids[1], ppid: shell.pid, uid: 0, comm: 'false', filename: '/bin/false' },
      { pid: pids[2], ppid: shell.pid, uid: 0, comm: 'true', filename: '/bin/true' },
    ]);
    expect(reader.stats).toMatchObject({ events: 3, bytes: 3 * 168, dropped: 0n });
    const last = events[2]?.ts;
    expect([...ebpf.map('execs_by_uid', HashMap.of(u32, Count))]).toEqual([[0, { execs: 3n, last_ts: last }]]);
    expect(ebpf.variable('events_dropped').value).toBe(0n);
    expect(ebpf.variable('target_ppid').value).toBe(shell.pid);
  } finally {
    await ebpf.close();
    await shell.end();
  }
});

describe('sources', () => {
  for (const [what, source, name] of [
    ['a URL', pathToFileURL(execsnoop), 'execsnoop.bpf.o'],
    ['bytes', new Uint8Array(readFileSync(execsnoop)), 'object'],
    ['a specification', ObjectSpec.parse(readFileSync(execsnoop), { name: 'parsed' }), 'parsed'],
  ] as const) {
    testWithTypes(what, async () => {
      const ebpf = await Ebpf.load(source);
      expect(ebpf.name).toBe(name);
      expect(ebpf.programs.map((program) => program.name)).toEqual(['exec']);
      await ebpf.close();
    });
  }

  testWithTypes('a specification is not changed and can be loaded again', async () => {
    const spec = ObjectSpec.parse(readFileSync(execsnoop), { name: 'execsnoop' });
    const first = await Ebpf.load(spec, {
      variables: { target_ppid: 7 },
      maps: { execs_by_uid: { maxEntries: 3 } },
    });
    const second = await Ebpf.load(spec);
    expect(first.variable('target_ppid').value).toBe(7);
    expect(second.variable('target_ppid').value).toBe(0);
    expect(first.map('execs_by_uid').maxEntries).toBe(3);
    expect(second.map('execs_by_uid').maxEntries).toBe(1024);
    await Promise.all([first.close(), second.close()]);
  });

  test('what cannot be read', async () => {
    await expect(Ebpf.load('/no/such/object.bpf.o')).rejects.toMatchObject({
      name: 'UsageError',
      code: 'ERR_EBPF_INVALID_VALUE',
      message: "source: the object cannot be read: ENOENT: no such file or directory, stat '/no/such/object.bpf.o'",
    });
    await expect(Ebpf.load(new URL('https://example.org/x.bpf.o'))).rejects.toMatchObject({
      message: 'source: must be a path, a file: URL, bytes or an ObjectSpec',
    });
  });
});

describe('what was loaded', () => {
  let ebpf: Ebpf;

  beforeAll(async () => {
    ebpf = await Ebpf.load(execsnoop);
  });

  afterAll(async () => {
    await ebpf.close();
  });

  testWithTypes('is the same object each time it is asked for', () => {
    expect(ebpf.map('events')).toBe(ebpf.map('events', RingBuffer));
    expect(ebpf.map('events', BpfMap)).toBe(ebpf.map('events'));
    expect(ebpf.program('exec')).toBe(ebpf.program('exec', BtfTracepoint));
    expect(ebpf.variable('target_uid')).toBe(ebpf.variable('target_uid'));
  });

  testWithTypes('shows what it is without a system call', () => {
    expect(inspect(ebpf)).toBe(
      "Ebpf { 'execsnoop.bpf.o', programs: ['exec'], maps: ['events', 'execs_by_uid', '.rodata', '.bss'], 0 links }",
    );
    expect(inspect(ebpf.map('events'))).toBe("RingBuffer { 'events', RINGBUF, 262144 bytes }");
    expect(inspect(ebpf.map('execs_by_uid'))).toBe(
      "HashMap { 'execs_by_uid', HASH, 4 → 16 bytes, at most 1024 entries }",
    );
    expect(inspect(ebpf.program('exec'))).toBe('BtfTracepoint { \'exec\', SEC("tp_btf/sched_process_exec") }');
    expect(inspect(ebpf.variable('target_uid'))).toBe(
      "Variable { 'target_uid', const volatile __s64 in .rodata, constant }",
    );
  });

  testWithTypes('is known to the kernel', () => {
    expect(ebpf.program('exec').info()).toMatchObject({ name: 'exec', type: 26, createdByUid: process.getuid?.() });
    expect(ebpf.map('events').info()).toMatchObject({ name: 'events', type: 27, maxEntries: 262_144 });
    expect(ebpf.map('.rodata').info()).toMatchObject({ name: 'execsnoo.rodata', valueSize: 12 });
  });

  testWithTypes('unknown names are refused with the nearest', () => {
    const error = (code: string, message: string): Error => expect.objectContaining({ code, message }) as Error;
    expect(() => ebpf.map('event')).toThrow(
      error('ERR_EBPF_NOT_FOUND', 'no map of "execsnoop.bpf.o" is named "event"; did you mean "events"?'),
    );
    expect(() => ebpf.program('exce')).toThrow(
      error('ERR_EBPF_NOT_FOUND', 'no program of "execsnoop.bpf.o" is named "exce"; did you mean "exec"?'),
    );
    expect(() => ebpf.variable('target_gid')).toThrow(
      error(
        'ERR_EBPF_NOT_FOUND',
        'no variable of "execsnoop.bpf.o" is named "target_gid"; did you mean "target_uid" or "target_ppid"?',
      ),
    );
  });
});

describe('options', () => {
  testWithTypes('variables take what their type takes, and are constants to the program', async () => {
    const ebpf = await Ebpf.load(execsnoop, { variables: { target_uid: -1n, target_ppid: 4_294_967_295 } });
    expect(ebpf.variable('target_uid').value).toBe(-1n);
    expect(ebpf.variable('target_ppid').value).toBe(4_294_967_295);
    expect(() => {
      ebpf.variable('target_ppid').value = 1;
    }).toThrow(
      expect.objectContaining({
        code: 'ERR_EBPF_INVALID_VALUE',
        message:
          'variable "target_ppid": it is constant once the object is loaded; ' +
          "set it before, with Ebpf.load's option variables",
      }) as Error,
    );
    await ebpf.close();
  });

  testWithTypes('int64 decides what 64-bit values are', async () => {
    const asNumber = await Ebpf.load(execsnoop, { int64: 'number' });
    const asString = await Ebpf.load(execsnoop, { int64: 'string' });
    expect(asNumber.variable('target_uid').value).toBe(-1);
    expect(asString.variable('target_uid').value).toBe('-1');
    await Promise.all([asNumber.close(), asString.close()]);
  });

  testWithTypes("a live map takes the place of the object's and stays open", async () => {
    const owner = await Ebpf.load(execsnoop);
    const shared = owner.map('execs_by_uid', HashMap);
    const user = await Ebpf.load(execsnoop, { maps: { execs_by_uid: shared } });
    expect(user.map('execs_by_uid')).toBe(shared);
    expect(user.program('exec').info().mapIds).toContain(shared.info().id);
    await user.close();
    expect(shared.closed).toBe(false);
    await owner.close();
  });

  testWithTypes('a live map that does not fit is refused with what differs', async () => {
    const owner = await Ebpf.load(execsnoop);
    const loading = Ebpf.load(execsnoop, { maps: { events: owner.map('execs_by_uid') } });
    await expect(loading).rejects.toMatchObject({
      code: 'ERR_EBPF_INVALID_VALUE',
      message:
        'maps.events: the map given for "events" differs from the object\'s: type is HASH, not RINGBUF, ' +
        'key size is 4, not 0, value size is 16, not 0, maxEntries is 1024, not 262144',
    });
    await owner.close();
  });

  test.each([
    [
      { variables: { target_udi: 1 } },
      'no variable of "execsnoop.bpf.o" is named "target_udi"; did you mean "target_uid" or "target_ppid"?',
    ],
    [
      { variables: { target_ppid: -1 } },
      'variables.target_ppid: expected an integer from 0 to 4294967295 (const volatile __u32), got -1',
    ],
    [{ maps: { event: { maxEntries: 1 } } }, 'no map of "execsnoop.bpf.o" is named "event"; did you mean "events"?'],
    [
      { maps: { events: { max_entries: 1 } } },
      'no option of map "events" is named "max_entries"; did you mean "maxEntries"?',
    ],
    [
      { maps: { events: { maxEntries: 0 } } },
      'maps.events.maxEntries: must be a whole number from 1 to 4294967295, not 0',
    ],
    [{ variable: {} }, 'no option of Ebpf.load is named "variable"; did you mean "variables"?'],
  ])('%j is refused', async (options, message) => {
    await expect(Ebpf.load(execsnoop, options as object)).rejects.toMatchObject({ name: 'UsageError', message });
  });

  testWithTypes('a ring is rounded up to a power of two of pages', async () => {
    const ebpf = await Ebpf.load(execsnoop, { maps: { events: { maxEntries: 5000 } } });
    expect(ebpf.map('events').maxEntries).toBe(8192);
    await ebpf.close();
  });
});

describe('leaving nothing behind', () => {
  /** Descriptors close off the event loop's turn; the ids are those of this process. */
  const held = (): string[] => [...heldIds('self')].sort();

  testWithTypes('close() may be called again and closes everything', async () => {
    const before = held();
    const ebpf = await Ebpf.load(execsnoop);
    const link = await ebpf.program('exec', BtfTracepoint).attach();
    expect(held().length).toBeGreaterThan(before.length);
    await Promise.all([ebpf.close(), ebpf.close()]);
    await ebpf.close();
    expect(ebpf.closed).toBe(true);
    expect(link.closed).toBe(true);
    expect(held()).toEqual(before);
  });

  testWithTypes('a program that the verifier refuses takes the others with it', async () => {
    const before = held();
    await expect(Ebpf.load(sample('rejected'))).rejects.toMatchObject({ code: 'ERR_EBPF_VERIFIER' });
    await expect(Ebpf.load(sample('core_missing'))).rejects.toMatchObject({ code: 'ERR_EBPF_VERIFIER' });
    expect(held()).toEqual(before);
  });

  testWithTypes('an abort rejects with its reason, whenever it comes', async () => {
    const before = held();
    await expect(Ebpf.load(execsnoop, { signal: AbortSignal.abort('early') })).rejects.toBe('early');
    for (const delay of emulated ? [0, 5, 100] : [0, 1, 2, 5, 10, 20, 50, 100]) {
      const reason = new Error(`after ${delay} ms`);
      const controller = new AbortController();
      const timer = setTimeout(() => {
        controller.abort(reason);
      }, delay);
      const outcome = await Ebpf.load(sample('slow_verifier'), { signal: controller.signal }).catch(
        (error: unknown) => error,
      );
      clearTimeout(timer);
      if (outcome instanceof Ebpf) await outcome.close();
      else expect(outcome).toBe(reason);
      expect(held()).toEqual(before);
    }
  });

  testWithTypes('using what is closed is refused', async () => {
    const ebpf = await Ebpf.load(execsnoop);
    const counts = ebpf.map('execs_by_uid', HashMap);
    const dropped = ebpf.variable('events_dropped');
    await ebpf.close();
    const closed = (what: string): unknown =>
      expect.objectContaining({ name: 'UsageError', code: 'ERR_EBPF_CLOSED', message: `${what} is closed` });
    await expect(ebpf.attach()).rejects.toEqual(closed('object "execsnoop.bpf.o"'));
    await expect(ebpf.program('exec').attach()).rejects.toEqual(closed('program "exec"'));
    await expect(ebpf.program('exec').testRun()).rejects.toEqual(closed('program "exec"'));
    expect(() => counts.get(0)).toThrow(closed('map "execs_by_uid"') as Error);
    expect(() => counts.set(0, { execs: 0, last_ts: 0 })).toThrow(closed('map "execs_by_uid"') as Error);
    expect(() => [...counts]).toThrow(closed('map "execs_by_uid"') as Error);
    expect(() => counts.info()).toThrow(closed('map "execs_by_uid"') as Error);
    expect(() => dropped.value).toThrow(closed('map ".bss"') as Error);
  });
});

testWithTypes('a load is reported to diagnostics_channel', async () => {
  const messages: unknown[] = [];
  const listen = (message: unknown): void => {
    messages.push(message);
  };
  subscribe('node-ebpf:load', listen);
  const ebpf = await Ebpf.load(execsnoop);
  unsubscribe('node-ebpf:load', listen);
  await ebpf.close();
  expect(messages).toEqual([
    {
      object: 'execsnoop.bpf.o',
      programs: ['exec'],
      maps: ['events', 'execs_by_uid', '.rodata', '.bss'],
      durationMs: expect.any(Number) as number,
    } satisfies LoadMessage,
  ]);
});
