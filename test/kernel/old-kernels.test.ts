// What the library does in place of what a kernel lacks. Each test passes on every kernel and takes its fallback on some.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';

import { BtfKind, Ebpf, HashMap, ObjectSpec, RawTracepoint, features, kernelBtf } from '../../lib/index.js';
import { runChild } from '../helpers/child.js';
import { hasKernelBtf, kernelHasMember } from '../helpers/kernel-types.js';
import { rawArguments, sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const btfPath = '/sys/kernel/btf/vmlinux';

test('types that the kernel has no kinds for are loaded as older ones, and read as what they are', async () => {
  const ebpf = await Ebpf.load(sample('newer_types'));
  try {
    const program = ebpf.program('touch');
    // With its types: the kernel took the BTF, whatever it looks like there.
    expect(program.info().btfId).not.toBe(0);
    expect(ebpf.map('readings').info().btfId).not.toBe(0);
    await program.testRun({ data: new Uint8Array(64) });
    expect(ebpf.variable('calls').value).toBe(1n);
    const reading = { wide: 1n << 40n, small: -1, ratio: 0.5, precise: 0.25, pointer: 0n };
    expect(ebpf.variable('first').value).toEqual(reading);
    expect([...ebpf.map('readings', HashMap)]).toEqual([[1, reading]]);
  } finally {
    await ebpf.close();
  }
});

testIf(hasKernelBtf, 'kernel BTF')(
  'an object whose types all kernels take is given to the kernel as it is',
  async () => {
    // What follows holds on any kernel; it is what makes the test above one of a fallback.
    const kinds = [BtfKind.FLOAT, BtfKind.DECL_TAG, BtfKind.TYPE_TAG, BtfKind.ENUM64];
    const answers = await Promise.all(kinds.map(async (kind) => (await features.btfKind(kind)).supported));
    // A kernel takes the kinds in the order in which they came.
    expect(answers).toEqual([...answers].sort((a, b) => Number(b) - Number(a)));
  },
);

describe('RLIMIT_MEMLOCK', () => {
  test('is raised where maps are counted against it, and nowhere else', async () => {
    const accounted = (await features.memoryCgroupAccounting()).supported;
    const { stdout, stderr } = await runChild(
      join(__dirname, 'features-children', 'locked-memory.ts'),
      [sample('ring_burst')],
      {
        wrapper: ['sh', '-c', 'ulimit -l 64; exec "$@"', 'sh'],
      },
    );
    expect({ lines: stdout.trim().split('\n'), stderr }).toEqual({
      lines: ['before 65536', 'loaded', `after ${accounted ? '65536' : 'unlimited'}`],
      stderr: '',
    });
  });
});

testIf(hasKernelBtf, 'kernel BTF')('cookies of raw tracepoints are taken, or refused by name', async () => {
  const ebpf = await Ebpf.load(sample('raw_tracepoint'));
  try {
    const attached = ebpf.program('on_exec', RawTracepoint).attach({ cookie: 7 });
    if (kernelHasMember('bpf_raw_tp_link', 'cookie')) await expect(attached).resolves.toMatchObject({ closed: false });
    else await expect(attached).rejects.toMatchObject({ code: 'ERR_EBPF_UNSUPPORTED', since: '6.9' });
  } finally {
    await ebpf.close();
  }
});

describe('types of the kernel from elsewhere', () => {
  /** The object's only CO-RE relocations are those of a program that attaches by other means. */
  const load = async (kernelBtf: string | URL | Uint8Array): Promise<void> => {
    const ebpf = await Ebpf.load(sample('core'), { kernelBtf });
    try {
      await ebpf.program('report').testRun({ context: rawArguments(0, 0) });
    } finally {
      await ebpf.close();
    }
  };

  testIf(hasKernelBtf, 'kernel BTF')('are read from BTF or ELF, by path or bytes', async () => {
    await load(btfPath);
    await load(new Uint8Array(readFileSync(btfPath)));
  });

  test('are what CO-RE is resolved by', async () => {
    // An object's own types stand for a kernel that has hardly any: what it lacks shows in the error.
    await expect(Ebpf.load(sample('execsnoop'), { kernelBtf: sample('maps') })).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_EBPF_(?:RELOCATION|VERIFIER|UNSUPPORTED)$/u) as unknown,
    });
  });

  testIf(!hasKernelBtf, 'a kernel without BTF')('are asked for where the kernel was built without them', async () => {
    for (const [name, needer] of [
      ['core', 'program "report"'],
      ['execsnoop', 'program "exec"'],
      ['fentry', 'program "enter"'],
    ] as const) {
      await expect(Ebpf.load(sample(name))).rejects.toMatchObject({
        code: 'ERR_EBPF_UNSUPPORTED',
        feature: "the kernel's BTF",
        message: expect.stringMatching(`CONFIG_DEBUG_INFO_BTF=y .*needed by ${needer}`) as unknown,
      });
    }
    // What attaches by BTF needs the ids of the kernel that runs: types of another one are no help.
    await expect(Ebpf.load(sample('execsnoop'), { kernelBtf: sample('core') })).rejects.toMatchObject({
      code: 'ERR_EBPF_UNSUPPORTED',
    });
    expect(await features.kernelBtf()).toMatchObject({ supported: false });
  });

  test('that cannot be read or are none are refused', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ebpf-btf-'));
    try {
      await expect(load(join(folder, 'missing'))).rejects.toMatchObject({
        code: 'ERR_EBPF_INVALID_VALUE',
        path: 'kernelBtf',
      });
      writeFileSync(join(folder, 'text'), 'no types here');
      await expect(load(join(folder, 'text'))).rejects.toMatchObject({ code: 'ERR_EBPF_OBJECT_FORMAT' });
      await expect(load(new Uint8Array(0))).rejects.toMatchObject({ code: 'ERR_EBPF_OBJECT_FORMAT' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('are not looked at for an object that needs none', async () => {
    const spec = ObjectSpec.parse(readFileSync(sample('tracepoint')), { name: 'tracepoint' });
    const ebpf = await Ebpf.load(spec, { kernelBtf: '/no/such/file' });
    await ebpf.close();
  });

  testIf(hasKernelBtf, 'kernel BTF')('are read once', async () => {
    expect(await kernelBtf()).toBe(await kernelBtf());
  });

  // In a mount namespace of its own a process sees a kernel that shows no types.
  testIf(hasKernelBtf, 'kernel BTF')('take the place of those that the kernel does not have', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ebpf-btf-'));
    const copy = join(folder, `vmlinux-${release()}`);
    const made = mkdirSync('/boot', { recursive: true });
    try {
      writeFileSync(copy, readFileSync(btfPath));
      const hide = 'mount -t tmpfs none /sys/kernel/btf';
      const put = `mount -o bind '${folder}' /boot`;
      const script = join(__dirname, 'features-children', 'no-kernel-types.ts');
      const args = [sample('core'), copy];
      const run = async (before: string): Promise<readonly string[]> => {
        const wrapper = ['unshare', '-m', 'sh', '-c', `${before} && exec "$@"`, 'sh'];
        const { stdout, stderr } = await runChild(script, args, { wrapper });
        return [...stdout.trim().split('\n'), stderr];
      };
      expect(await run(hide)).toEqual(['without: ERR_EBPF_UNSUPPORTED', 'with a file: loaded', '']);
      expect(await run(`${hide} && ${put}`)).toEqual(['without: loaded', 'with a file: loaded', '']);
    } finally {
      rmSync(folder, { recursive: true });
      if (made !== undefined) rmdirSync(made);
    }
  });
});

testIf(!hasKernelBtf, 'a kernel without BTF')('a kernel without types loads what needs none', async () => {
  const ebpf = await Ebpf.load(sample('execsnoop'), { optional: true });
  try {
    expect(ebpf.programs).toEqual([]);
    expect(ebpf.unloaded[0]?.error.message).toContain("the kernel's BTF");
  } finally {
    await ebpf.close();
  }
});
