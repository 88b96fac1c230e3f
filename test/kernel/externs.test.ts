// What the kernel provides: configuration values, symbols and functions, against what the kernel itself tells.
import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';

import { ArrayMap, Ebpf, MapFlag, ObjectSpec, VerifierError, features, type LoadOptions } from '../../lib/index.js';
import { hasJit, kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { hasKernelBtf, kernelHasFunction, kernelHasVariable } from '../helpers/kernel-types.js';
import { rawArguments, sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const hasConfig = existsSync('/proc/config.gz') || existsSync(`/boot/config-${release()}`);

const symbols = readFileSync('/proc/kallsyms', 'latin1');
const addressOf = (name: string): bigint =>
  BigInt(`0x${new RegExp(`^([0-9a-f]+) . ${name}$`, 'm').exec(symbols)?.[1] ?? '0'}`);
/** Kernel functions that any program may call: Linux 6.2. */
const knowsFunctions = kernelHasFunction('bpf_rcu_read_lock');
const hasFunctions = knowsFunctions && hasJit;

const options = {
  CONFIG_BPF_SYSCALL: true,
  CONFIG_HZ: 333,
  CONFIG_SAMPLE_BOOL: true,
  CONFIG_SAMPLE_CHAR: 'm',
  CONFIG_SAMPLE_TRISTATE: 'm',
  CONFIG_SAMPLE_S8: -5,
  CONFIG_SAMPLE_U16: 65_535,
  CONFIG_SAMPLE_S32: -7,
  CONFIG_SAMPLE_U64: 0xfedc_ba98_7654_3210n,
  CONFIG_SAMPLE_STRING: 'fifteen letters',
  CONFIG_CC_VERSION_TEXT: 'gcc 15',
};

async function report(load: LoadOptions): Promise<Record<string, unknown>> {
  const ebpf = await Ebpf.load(sample('externs'), load);
  try {
    await ebpf.program('report').testRun({ context: rawArguments(0) });
    return Object.fromEntries([...ebpf.spec.variables.keys()].map((name) => [name, ebpf.variable(name).value]));
  } finally {
    await ebpf.close();
  }
}

describe('configuration values', () => {
  testIf(hasKernelBtf, 'kernel BTF')('are what is given, and programs see them', async () => {
    const cookie = (await features.bpfCookie()).supported;
    const wrapper = /__(x64|arm64|s390x|riscv)_sys_bpf$/m.test(symbols);
    const seen = await report({ kconfig: options });
    expect(seen).toMatchObject({
      CONFIG_BPF_SYSCALL: true,
      CONFIG_HZ: 333,
      CONFIG_SAMPLE_BOOL: true,
      CONFIG_SAMPLE_CHAR: 'm'.charCodeAt(0),
      CONFIG_SAMPLE_TRISTATE: 2,
      CONFIG_SAMPLE_S8: -5,
      CONFIG_SAMPLE_U16: 65_535,
      CONFIG_SAMPLE_S32: -7,
      CONFIG_SAMPLE_U64: 0xfedc_ba98_7654_3210n,
      CONFIG_SAMPLE_STRING: 'fifteen letters',
      CONFIG_CC_VERSION_TEXT: 'gcc 15',
      LINUX_OF_THE_FUTURE: 0,
      LINUX_HAS_BPF_COOKIE: cookie,
      LINUX_HAS_SYSCALL_WRAPPER: wrapper,
      hz: 333,
      wide: 0xfedc_ba98_7654_3210n,
      narrow: -5,
      first_letter: 'f'.charCodeAt(0),
      answers: (wrapper ? 1 : 0) + (cookie ? 2 : 0) + 8 + 16 + 32 + 64 + 128 + 256 + 512,
    });
    expect(seen['kernel_version']).toBe(seen['LINUX_KERNEL_VERSION']);
    const [major, minor] = release().split('.').map(Number);
    expect(Number(seen['LINUX_KERNEL_VERSION']) >>> 8).toBe((major ?? 0) * 256 + (minor ?? 0));
  });

  testIf(hasKernelBtf, 'kernel BTF')('are zero where they are weak and not set, and text will do', async () => {
    const seen = await report({ kconfig: '# comment\nCONFIG_BPF_SYSCALL=y\nCONFIG_HZ=0x10\nCONFIG_HZ=1\n' });
    expect(seen).toMatchObject({
      CONFIG_HZ: 16,
      CONFIG_SAMPLE_BOOL: false,
      CONFIG_SAMPLE_TRISTATE: 0,
      CONFIG_SAMPLE_STRING: '',
      CONFIG_SAMPLE_U64: 0n,
    });
  });

  testIf(hasKernelBtf && hasConfig, 'kernel configuration')(
    'are those that the running kernel was built with',
    async () => {
      const warnings: unknown[] = [];
      const { emitWarning } = process;
      process.emitWarning = (...args: unknown[]): void => {
        warnings.push(args);
      };
      const seen = await report({}).finally(() => {
        process.emitWarning = emitWarning;
      });
      expect(seen).toMatchObject({ CONFIG_BPF_SYSCALL: true, CONFIG_SAMPLE_U16: 0 });
      expect([100, 250, 300, 1000]).toContain(seen['hz']);
      expect(seen['CONFIG_CC_VERSION_TEXT']).toHaveLength(7);
      expect(warnings).toEqual([
        [
          expect.stringMatching(/^CONFIG_CC_VERSION_TEXT of externs\.bpf\.o is cut to 7 characters: .*config.* has "/),
          { type: 'EbpfWarning', code: 'EBPF_LOAD' },
        ],
      ]);
    },
  );

  testIf(hasKernelBtf, 'kernel BTF')('lie in a map that nobody can write', async () => {
    const ebpf = await Ebpf.load(sample('externs'), { kconfig: options });
    try {
      const map = ebpf.map('.kconfig', ArrayMap);
      expect(map).toMatchObject({ valueSize: 60, maxEntries: 1, flags: MapFlag.MMAPABLE | MapFlag.RDONLY_PROG });
      expect(map.get(0)).toMatchObject({ CONFIG_HZ: 333 });
      expect(() => {
        map.set(0, map.get(0));
      }).toThrow(/EPERM/);
      expect(() => {
        ebpf.variable('CONFIG_HZ').value = 1;
      }).toThrow('variable "CONFIG_HZ": it is what the kernel was configured with');
    } finally {
      await ebpf.close();
    }
  });

  test('that do not fit are refused before anything is loaded', async () => {
    await expect(Ebpf.load(sample('externs'), { kconfig: { ...options, CONFIG_SAMPLE_U16: 65_536 } })).rejects.toThrow(
      'program report: "CONFIG_SAMPLE_U16": "65536" of the option kconfig is a number outside 0 to 65535, ' +
        'and the object declares "unsigned short"\n    at externs.bpf.c:',
    );
    await expect(Ebpf.load(sample('externs'), { kconfig: 'CONFIG_HZ' })).rejects.toMatchObject({
      code: 'ERR_EBPF_INVALID_VALUE',
      path: 'kconfig',
    });
  });
});

describe('symbols', () => {
  testIf(hasKernelBtf, 'kernel BTF')('are where /proc/kallsyms says, by name and by type', async () => {
    expect(addressOf('_stext')).not.toBe(0n);
    const hasQueues = kernelHasVariable('runqueues') && kernelHasSymbol('runqueues');
    expect(await report({ kconfig: options })).toMatchObject({
      text_address: addressOf('_stext'),
      text_address_again: addressOf('_stext'),
      missing_address: 0n,
      missing_variable: 0n,
      queue_of_cpu: hasQueues ? 0 : -1,
    });
  });
});

describe('kernel functions', () => {
  /** Only one of the programs. */
  function only(program: string): ObjectSpec {
    const spec = ObjectSpec.parse(readFileSync(sample('kfunc')), { name: 'kfunc.bpf.o' });
    for (const each of spec.programs.values()) each.autoload = each.name === program;
    return spec;
  }

  test('are called where the kernel has them', async () => {
    if (knowsFunctions && !hasJit) {
      await expect(Ebpf.load(sample('kfunc'))).rejects.toThrow('JIT is required for calling kernel function');
      return;
    }
    const ebpf = await Ebpf.load(sample('kfunc'));
    try {
      await ebpf.program('guarded').testRun({ context: rawArguments(0) });
      expect(ebpf.variable('locked').value).toBe(hasFunctions ? 1 : 0);
      expect(ebpf.variable('called').value).toBe(0);
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasFunctions, 'kernel functions')('are found under a flavour', async () => {
    const ebpf = await Ebpf.load(only('needed'));
    try {
      await ebpf.program('needed').testRun({ context: rawArguments(0) });
      expect(ebpf.variable('locked').value).toBe(1);
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasFunctions, 'kernel functions')('of another prototype are refused, with both', async () => {
    await expect(Ebpf.load(only('incompatible'))).rejects.toMatchObject({
      code: 'ERR_EBPF_RELOCATION',
      access: '"bpf_rcu_read_lock___other"',
      line: expect.stringMatching(/^kfunc\.bpf\.c:\d+: return bpf_rcu_read_lock___other\(1\);$/),
      message: expect.stringContaining(
        'the kernel has "void bpf_rcu_read_lock(void)" and the object declares "int bpf_rcu_read_lock___other(int)"',
      ),
    });
  });

  testIf(hasKernelBtf, 'kernel BTF')('that are missing are refused', async () => {
    await expect(Ebpf.load(only('missing'))).rejects.toMatchObject({
      code: 'ERR_EBPF_RELOCATION',
      message: expect.stringContaining(
        '"bpf_no_such_needed_function": the BTF of the kernel and its modules has no function of this name',
      ),
    });
  });

  test('that are missing and weak are explained when a program gets to a call', async () => {
    const refusal = await Ebpf.load(only('unguarded')).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(VerifierError);
    expect(refusal).toMatchObject({
      program: 'unguarded',
      line: expect.stringMatching(/^kfunc\.bpf\.c:\d+: return bpf_no_such_function\(1, context\);$/),
      summary: expect.stringMatching(
        /^it can reach a call of kernel function "bpf_no_such_function", which cannot be made: .* guard it with bpf_ksym_exists\(\)/,
      ),
      log: expect.stringContaining('#2002000002'),
    });
  });
});
