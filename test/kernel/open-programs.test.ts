// Programs that exist: told, printed, pinned, and opened by pin, id and descriptor.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  AttachType,
  CgroupSkb,
  CgroupSockAddr,
  disassemble,
  Ebpf,
  enableStats,
  KernelError,
  Kprobe,
  Link,
  listPrograms,
  ObjectSpec,
  Program,
  ProgramType,
  RawTracepoint,
  Xdp,
} from '../../lib/index.js';
import { TestCgroup } from '../helpers/cgroup.js';
import { runChild } from '../helpers/child.js';
import { hasJit, kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { PinFolder } from '../helpers/pin-folder.js';
import { rawArguments, sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

let pins: PinFolder;
let ebpf: Ebpf;
const opened: Program[] = [];

beforeAll(async () => {
  pins = await PinFolder.create();
});
beforeEach(async () => {
  ebpf = await Ebpf.load(sample('subprograms'));
});
afterEach(async () => {
  for (const program of opened.splice(0)) program.close();
  await ebpf.close();
});
afterAll(async () => {
  await pins.close();
});

function keep<P extends Program>(program: P): P {
  opened.push(program);
  return program;
}

function only(of: Ebpf): Program {
  const [program] = of.programs;
  if (program === undefined) throw new Error('no program');
  return program;
}

/** The descriptor of this process that is of a program. */
function descriptorOf(id: number): number {
  const found = readdirSync('/proc/self/fd').find((name) => {
    const file = `/proc/self/fdinfo/${name}`;
    return existsSync(file) && new RegExp(`^prog_id:\\s+${id}$`, 'm').test(readFileSync(file, 'utf8'));
  });
  return Number(found ?? -1);
}

describe('info', () => {
  test('says what the kernel knows', () => {
    const program = only(ebpf);
    const info = program.info();
    expect(info).toMatchObject({
      type: ProgramType.RAW_TRACEPOINT,
      tag: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
      createdByUid: 0,
      gplCompatible: true,
      attachBtfId: 0,
      interfaceIndex: 0,
    });
    expect(info.name).toBe(program.name.slice(0, 15));
    expect(info.mapIds).toEqual(ebpf.maps.map((map) => map.info().id).filter((id) => info.mapIds.includes(id)));
    expect(info.mapIds.length).toBeGreaterThan(0);
    expect(info.btfId).toBeGreaterThan(0);
    expect(info.loadTime).toBeGreaterThan(0n);
    expect(info.translatedLength).toBeGreaterThan(0);
    expect(listPrograms()).toContainEqual(info);
  });

  test('says how much memory it takes: whole pages', () => {
    const bytes = only(ebpf).memoryUsage();
    expect(bytes).toBeGreaterThan(0);
    expect(bytes % 4096).toBe(0);
  });

  test('counts runs while someone wants it', async () => {
    const program = only(ebpf);
    const context = rawArguments(1, 2);
    const before = program.info().runCount;
    const stats = enableStats();
    await program.testRun({ context });
    const counted = program.info();
    expect(counted.runCount).toBe(before + 1n);
    expect(counted.runTimeNs).toBeGreaterThan(0n);
    expect(counted.recursionMisses).toBe(0n);
    stats.close();
    stats.close();
    expect(stats.closed).toBe(true);
  });
});

describe('code', () => {
  test('is printed as the verifier left it, with functions, lines of C, helpers and maps', async () => {
    const program = only(ebpf);
    const code = await program.translatedCode();
    expect(code.instructions.length).toBe(program.info().translatedLength);
    expect(code.functions[0]).toEqual({ name: program.name, offset: 0 });
    expect(code.functions.length).toBeGreaterThan(1);
    expect(code.lines[0]).toMatchObject({ offset: 0, file: expect.stringMatching(/subprograms\.bpf\.c$/) as string });
    const text = String(code).split('\n');
    expect(text[0]).toBe(`${program.name}:`);
    expect(text[1]).toMatch(/^; .* @ subprograms\.bpf\.c:\d+$/);
    expect(text.some((line) => /^ +\d+: \(85\) call pc[+-]\d+ <\w+>$/.test(line))).toBe(true);
    expect(text.some((line) => /^ +\d+: \(18\) r\d = map\[.* id:\d+\]\[0\]\+\d+$/.test(line))).toBe(true);
    expect(text.filter((line) => line.endsWith('(95) exit')).length).toBe(code.functions.length);
    // Unchanged by the verifier but for dead code: the same lines of C.
    const spec = ObjectSpec.parse(readFileSync(sample('subprograms')), { name: 'subprograms' });
    expect(disassemble(spec, program.name)).toContain(text[1]);
  });

  test('names helpers', async () => {
    await using load = await Ebpf.load(sample('execsnoop'));
    const text = String(await only(load).translatedCode());
    expect(text).toMatch(/\(85\) call bpf_ringbuf_submit$/m);
    expect(text).not.toContain('a hidden address');
  });

  testIf(hasJit, 'a JIT')('is printed as the machine runs it', () => {
    const program = only(ebpf);
    const code = program.machineCode();
    const bytes = code.functions.reduce((sum, { code: each }) => sum + each.length, 0);
    expect(bytes).toBeLessThanOrEqual(program.info().jitedLength);
    const [first] = code.functions;
    expect(first).toMatchObject({ name: program.name });
    expect(first?.address).toBeGreaterThan(0n);
    expect(first?.lines.length).toBeGreaterThan(0);
    const text = String(code).split('\n');
    expect(text[0]).toBe(`${first?.address.toString(16) ?? ''} <${program.name}>:`);
    expect(text.some((line) => /^ +[0-9a-f]+:(?: [0-9a-f]{2}){1,16}$/.test(line))).toBe(true);
    expect(text.some((line) => /^; .* @ subprograms\.bpf\.c:\d+$/.test(line))).toBe(true);
  });
});

describe('open', () => {
  test('gives the class of the type, by pin, id and descriptor, and it runs', async () => {
    await using load = await Ebpf.load(sample('xdp'));
    const program = load.program('decide', Xdp);
    const path = join(pins.path, 'decide');
    program.pin(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const { id } = program.info();
    for (const source of [path, { id }, { descriptor: descriptorOf(id) }]) {
      const found = keep(Program.open(source));
      expect(found.constructor).toBe(Xdp);
      expect(found.name).toBe('decide');
      expect(found.info().id).toBe(id);
      await expect(found.testRun({ data: new Uint8Array(64) })).resolves.toMatchObject({ returnValue: 2 });
    }
    expect(() => Kprobe.open(path)).toThrow(`program ${id}: it is a program of type XDP, not a Kprobe`);
    expect(() => keep(Program.open({ id })).unpin(path)).not.toThrow();
    expect(existsSync(path)).toBe(false);
    expect(() => Program.open(path)).toThrow(KernelError);
  });

  test('what a program of a cgroup was loaded for is found out', async () => {
    await using load = await Ebpf.load(sample('cgroup_programs'));
    const cgroup = new TestCgroup('open-programs');
    try {
      const { id } = load.program('connect4').info();
      const attachType = AttachType.CGROUP_INET4_CONNECT;
      const known = keep(CgroupSockAddr.open({ id }));
      expect([known.section, known.attachType]).toEqual(['cgroup/connect4', attachType]);
      const said = keep(CgroupSockAddr.open({ id }, { attachType: AttachType.CGROUP_INET6_CONNECT }));
      expect([said.section, said.attachType]).toEqual(['cgroup/connect6', AttachType.CGROUP_INET6_CONNECT]);
      const link = await known.attach({ cgroup: cgroup.path });
      expect(link.info()).toMatchObject({ programId: id, attachType, cgroupId: cgroup.id });
      known.close();
      await link.close();
      expect(() => keep(CgroupSkb.open({ id }))).toThrow(/it is a program of type CGROUP_SOCK_ADDR, not a CgroupSkb/);
      expect(() => Program.open({ id }, { attachtype: 1 } as never)).toThrow(/did you mean "attachType"/);
    } finally {
      cgroup.close();
    }
  });

  test('an opened program is attached', async () => {
    await using load = await Ebpf.load(sample('raw_tracepoint'), { variables: { target_pid: process.pid } });
    const { id } = load.program('on_system_call').info();
    const found = keep(RawTracepoint.open({ id }));
    const link = await found.attach({ tracepoint: 'sys_enter' });
    expect(found.links).toEqual([link]);
    readFileSync('/proc/self/stat');
    expect(load.variable('system_calls').value).toBeGreaterThan(0n);
    await link.close();
    expect(found.links).toEqual([]);
  });

  test('what a pin of another program is is said', async () => {
    const [first, second] = ebpf.programs;
    const path = join(pins.path, 'first');
    first?.pin(path);
    expect(() => second?.unpin(path)).toThrow(/^path: ".*first" is a pin of another program, not of /);
    first?.unpin(path);
  });
});

testIf(kernelHasSymbol('bpf_timer_init'), 'timers')(
  'what a pinned program needs that is not pinned is told, and lost with the process',
  async () => {
    const { code, stdout, stderr } = await runChild(join(__dirname, 'children', 'lost-pins.ts'), [pins.path]);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout.trimEnd().split('\n')).toEqual([
      'EBPF_PIN: program "packet_from" is pinned, but not what program array "packets" holds: that is lost when the last process that has the map open ends; pin the map too',
      'EBPF_PIN: program "start" is pinned, but not the timers of map "tasks": that is lost when the last process that has the map open ends; pin the map too',
      'EBPF_PIN: the link of program "trace_from" is pinned, but not what program array "traces" holds: that is lost when the last process that has the map open ends; pin the map too',
      'no warning once it is pinned',
    ]);
    const data = new Uint8Array(64);
    const result = async (name: string): Promise<number> => {
      const program = Program.open(join(pins.path, name));
      try {
        return (await program.testRun({ data })).returnValue;
      } finally {
        program.close();
      }
    };
    const resultOfLink = async (name: string): Promise<number> => {
      await using link = Link.open(join(pins.path, name));
      using program = RawTracepoint.open({ id: link.info().programId });
      return (await program.testRun({ context: [0] })).returnValue;
    };
    // The kernel empties the array that was not pinned some time after its last descriptor; what was pinned stays.
    for (let attempt = 0; attempt < 200 && (await result('lost')) !== 99; attempt++) await sleep(10);
    expect([await result('lost'), await result('kept')]).toEqual([99, 7]);
    for (let attempt = 0; attempt < 200 && (await resultOfLink('lost-link')) !== 99; attempt++) await sleep(10);
    expect([await resultOfLink('lost-link'), await resultOfLink('kept-link')]).toEqual([99, 7]);
    for (const name of ['lost-link', 'kept-link']) await Link.open(join(pins.path, name)).detach();
  },
);
