// The errors of a load with their full text: what a user reads when something is wrong.
import { readFileSync } from 'node:fs';

import { Ebpf, EbpfError, ObjectSpec, RingBuffer, UsageError, VerifierError } from '../../lib/index.js';
import { repository, RunningCommand } from '../helpers/command.js';
import { hasKernelBtf } from '../helpers/kernel-types.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

async function failure(loading: Promise<unknown>): Promise<EbpfError> {
  const outcome = await loading.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!EbpfError.is(outcome)) throw new Error(`expected an EbpfError, got ${String(outcome)}`);
  return outcome;
}

test('a section that names no program type', async () => {
  const error = await failure(Ebpf.load(sample('wrong_section')));
  expect(error).toBeInstanceOf(UsageError);
  expect(error).toMatchObject({
    code: 'ERR_EBPF_NOT_FOUND',
    suggestions: expect.arrayContaining(['raw_tracepoint']) as string[],
  });
  expect(error.message).toBe(
    'program "misspelt" of "wrong_section.bpf.o": section "raw_tracepiont/sys_enter" names no program type; ' +
      'did you mean "raw_tracepoint" or "raw_tracepoint.s" or "raw_tracepoint.w"?',
  );
});

test('a truncated file', async () => {
  const bytes = readFileSync(sample('execsnoop'));
  const error = await failure(Ebpf.load(bytes.subarray(0, 3000), { name: 'execsnoop.bpf.o' }));
  expect(error).toMatchObject({ name: 'ObjectFormatError', code: 'ERR_EBPF_OBJECT_FORMAT', object: 'execsnoop.bpf.o' });
  expect(error.message).toBe(
    `execsnoop.bpf.o, offset ${sectionHeaders(bytes)}: 896 bytes are needed here, the data ends at 3000`,
  );
});

test('no object at all', async () => {
  const error = await failure(Ebpf.load(new TextEncoder().encode('#!/bin/sh\n'), { name: 'script' }));
  expect(error).toMatchObject({ name: 'ObjectFormatError', code: 'ERR_EBPF_OBJECT_FORMAT' });
  expect(error.message).toMatch(/^script, offset 0: /);
});

test('a variable that the object does not have', async () => {
  const error = await failure(Ebpf.load(sample('execsnoop'), { variables: { target_udi: 1000 } }));
  expect(error).toMatchObject({
    name: 'UsageError',
    code: 'ERR_EBPF_NOT_FOUND',
    suggestions: ['target_uid', 'target_ppid'],
  });
  expect(error.message).toBe(
    'no variable of "execsnoop.bpf.o" is named "target_udi"; did you mean "target_uid" or "target_ppid"?',
  );
});

test('an event type that the object does not have', async () => {
  const ebpf = await Ebpf.load(sample('execsnoop'));
  expect(() => ebpf.map('events', RingBuffer.of('evnt'))).toThrow(
    expect.objectContaining({
      name: 'UsageError',
      code: 'ERR_EBPF_NOT_FOUND',
      suggestions: ['event'],
      message: 'no type of object "execsnoop.bpf.o" is named "evnt"; did you mean "event"?',
    }) as Error,
  );
  await ebpf.close();
});

test('a program that the verifier rejects', async () => {
  const error = await failure(Ebpf.load(sample('rejected')));
  expect(error).toBeInstanceOf(VerifierError);
  expect(error).toMatchObject({
    code: 'ERR_EBPF_VERIFIER',
    program: 'unchecked',
    errnoName: 'EACCES',
    syscall: 'bpf(BPF_PROG_LOAD)',
    line: 'rejected.bpf.c:20: *count += 1;',
    log: expect.stringContaining('processed ') as string,
  });
  expect(error.message).toBe(
    "the kernel's verifier refused program unchecked (EACCES): R0 invalid mem access 'map_value_or_null'\n" +
      '    instruction 7: r1 = *(u64 *)(r0 +0)\n' +
      '    at rejected.bpf.c:20: *count += 1;',
  );
});

test('an access that this kernel has no place for', async () => {
  const error = await failure(Ebpf.load(sample('core_missing')));
  expect(error).toMatchObject({ name: 'VerifierError', program: 'missing', errnoName: 'EINVAL' });
  expect(error.message).toMatch(
    /^the kernel's verifier refused program missing \(EINVAL\): it can reach an access that this kernel has no place for, task_struct\.no_such_member: the kernel's "struct task_struct" has no member "no_such_member"; guard it with bpf_core_field_exists\(\), bpf_core_type_exists\(\) or bpf_core_enum_value_exists\(\)\n {4}at core_missing\.bpf\.c:\d+: /,
  );
});

test('a map that was not created', async () => {
  const spec = ObjectSpec.parse(readFileSync(sample('maps')), { name: 'maps.bpf.o' });
  spec.map('flows').autoCreate = false;
  const error = await failure(Ebpf.load(spec));
  expect(error).toMatchObject({ name: 'VerifierError', program: 'touch', errnoName: 'EINVAL' });
  expect(error.message).toMatch(
    /^the kernel's verifier refused program touch \(EINVAL\): it can reach a use of map "flows", which was not created: its autoCreate is false\n {4}at maps\.bpf\.c:\d+: bpf_map_update_elem\(&flows/,
  );
});

test('an object of the other byte order', async () => {
  const path = sample('execsnoop').replace('.bpf.o', '.bpfeb.o');
  const error = await failure(Ebpf.load(path));
  expect(error).toMatchObject({ name: 'UnsupportedError', code: 'ERR_EBPF_UNSUPPORTED' });
  expect(error.message).toBe(
    'big-endian objects on a little-endian kernel: "execsnoop.bpfeb.o" was compiled for the other byte order; ' +
      'compile it with --target=bpfel',
  );
});

describe('without privileges', () => {
  async function loadWith(command: string[], object: string): Promise<Record<string, unknown>> {
    const [program = '', ...options] = command;
    const script = `${repository}/test/fixtures/print-load.mjs`;
    const child = new RunningCommand(program, [...options, process.execPath, script, object]);
    try {
      await child.exit();
      return JSON.parse(child.stdout || JSON.stringify({ stderr: child.stderr })) as Record<string, unknown>;
    } finally {
      await child.end();
    }
  }

  const disabled = readFileSync('/proc/sys/kernel/unprivileged_bpf_disabled', 'utf8').trim();

  test('none at all', async () => {
    // Root without capabilities: it can read the files of this clone, wherever that is, and nothing more.
    const nobody = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all'];
    const obstacles = ['missing CAP_BPF and CAP_PERFMON'];
    if (disabled !== '0') obstacles.push(`kernel.unprivileged_bpf_disabled is ${disabled}`);
    await expect(loadWith(nobody, sample('execsnoop'))).resolves.toEqual({
      name: 'PermissionError',
      code: 'ERR_EBPF_PERMISSION',
      errnoName: 'EPERM',
      syscall: 'bpf(BPF_BTF_LOAD)',
      obstacles,
      message:
        `cannot load "execsnoop.bpf.o": bpf(BPF_BTF_LOAD) failed with EPERM: ${obstacles.join('; ')}. ` +
        'Run as root, or give the process CAP_BPF and CAP_PERFMON (systemd: AmbientCapabilities=, container: --cap-add)',
    });
  });

  test('one of two capabilities', async () => {
    const onlyBpf = ['setpriv', '--bounding-set=-all,+bpf', '--inh-caps=-all', '--ambient-caps=-all'];
    await expect(loadWith(onlyBpf, sample('execsnoop'))).resolves.toEqual({
      name: 'PermissionError',
      code: 'ERR_EBPF_PERMISSION',
      errnoName: 'EPERM',
      syscall: 'bpf(BPF_PROG_LOAD)',
      obstacles: ['missing CAP_PERFMON'],
      message:
        'cannot load program "exec": bpf(BPF_PROG_LOAD) failed with EPERM: missing CAP_PERFMON. ' +
        'Run as root, or give the process CAP_PERFMON (systemd: AmbientCapabilities=, container: --cap-add)',
    });
  });

  testIf(hasKernelBtf, 'kernel BTF')('not that to see addresses of the kernel', async () => {
    const blind = ['setpriv', '--bounding-set=-all,+bpf,+perfmon', '--inh-caps=-all', '--ambient-caps=-all'];
    const sysctl = (name: string): number => Number(readFileSync(`/proc/sys/kernel/${name}`, 'utf8'));
    // Where everybody may trace the kernel, everybody may see them.
    const visible = sysctl('kptr_restrict') === 0 && sysctl('perf_event_paranoid') <= 1;
    const result = await loadWith(blind, sample('externs'));
    expect(
      String(result['message']).startsWith('cannot read the address of kernel symbol "_stext": all addresses'),
    ).toBe(!visible);
    if (visible) return;
    expect(result).toMatchObject({
      name: 'PermissionError',
      code: 'ERR_EBPF_PERMISSION',
      obstacles: [expect.stringMatching(/^kptr_restrict is [012]( and CAP_SYSLOG is missing)?$/)],
    });
  });

  test("under Node's permission model", async () => {
    const flag = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission';
    const restricted = ['env', `NODE_OPTIONS=${flag} --allow-fs-read=* --no-warnings`];
    await expect(loadWith(restricted, sample('execsnoop'))).resolves.toEqual({
      name: 'PermissionError',
      code: 'ERR_EBPF_PERMISSION',
      obstacles: ["Node.js's permission model, without --allow-addons"],
      message:
        "the native addon of node-ebpf cannot be loaded: Node.js's permission model forbids addons; start node with " +
        '--allow-addons, and with --allow-fs-read and --allow-worker as far as your program needs them',
    });
  });

  test('in a user namespace', async () => {
    const namespace = ['unshare', '--user', '--map-root-user'];
    await expect(loadWith(namespace, sample('execsnoop'))).resolves.toMatchObject({
      name: 'PermissionError',
      obstacles: ['the process is in a user namespace, where capabilities do not count for BPF'],
    });
  });
});

/** Where the section headers of an ELF file begin. */
function sectionHeaders(bytes: Buffer): bigint {
  return bytes.readBigUInt64LE(40);
}
