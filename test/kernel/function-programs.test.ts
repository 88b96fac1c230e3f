// Programs at kernel functions. All of them watch security_task_setnice, which runs when a process changes a priority.
import { readFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

import {
  Ebpf,
  Fentry,
  Fexit,
  Kprobe,
  Kretprobe,
  Kretsyscall,
  Ksyscall,
  Lsm,
  RingBuffer,
  features,
  i32,
  struct,
  u32,
  type Link,
} from '../../lib/index.js';
import { hasFentry, hasKprobes, hasLsm } from '../helpers/kernel-hooks.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { hasKernelBtf, kernelHasFunction } from '../helpers/kernel-types.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const Hit = struct('hit', { pid: u32, returned: u32 });
const Nice = struct('nice', { pid: u32, task: u32, value: i32, result: i32, returned: u32 });

const nice = getPriority();
/** Enters security_task_setnice; being root, in either direction. */
function changePriority(value: number): void {
  setPriority(process.pid, value);
}

afterEach(() => {
  changePriority(nice);
});

/** Loads a sample that watches this process. */
async function load(name: string, variables: Record<string, unknown> = {}): Promise<Ebpf> {
  return Ebpf.load(sample(name), { variables: { target_pid: process.pid, ...variables } });
}

describe('kprobes', () => {
  testIf(hasKprobes, 'kprobes')('run at entry and return of the function that the section names', async () => {
    const ebpf = await load('kprobe');
    try {
      const { links, unattached } = await ebpf.attach();
      expect(links.map(({ target }) => target)).toEqual([
        'kprobe security_task_setnice',
        'kretprobe security_task_setnice',
      ]);
      expect(unattached.map(({ program, reason }) => [program.name, reason])).toEqual([
        ['anywhere', 'its section "kprobe" names no kernel function'],
      ]);
      const reader = ebpf.map('hits', RingBuffer.of(Hit)).read();
      changePriority(5);
      const hits = [];
      for await (const hit of reader) if (hits.push(hit) === 2) break;
      expect(hits).toEqual([
        { pid: process.pid, returned: 0 },
        { pid: process.pid, returned: 1 },
      ]);
      expect(ebpf.variable('entries').value).toBe(1n);
      expect(ebpf.variable('returns').value).toBe(1n);
      await Promise.all(links.map(async (link) => link.close()));
      changePriority(6);
      expect(ebpf.variable('entries').value).toBe(1n);
      expect(ebpf.variable('returns').value).toBe(1n);
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasKprobes, 'kprobes')('run where the caller says, an offset included', async () => {
    const ebpf = await load('kprobe');
    try {
      const program = ebpf.program('anywhere', Kprobe);
      const link = await program.attach({ function: 'security_task_setnice+0x0' });
      expect(link.target).toBe('kprobe security_task_setnice+0x0');
      changePriority(5);
      await link.close();
      changePriority(6);
      expect(ebpf.variable('entries').value).toBe(1n);
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasKprobes, 'kprobes')('have a link to pin and describe where the kernel has one', async () => {
    const ebpf = await load('kprobe');
    try {
      const link = await ebpf.program('enter', Kprobe).attach();
      const { supported } = await features.perfLink();
      if (supported) {
        expect(link.info().programId).toBe(ebpf.program('enter').info().id);
      } else {
        // The fallback of kernels before 5.15: the event itself keeps the program attached.
        expect(() => link.info()).toThrow(expect.objectContaining({ code: 'ERR_EBPF_UNSUPPORTED', since: '5.15' }));
        expect(() => {
          link.pin('/sys/fs/bpf/never');
        }).toThrow(expect.objectContaining({ code: 'ERR_EBPF_UNSUPPORTED' }));
      }
      changePriority(5);
      expect(ebpf.variable('entries').value).toBe(1n);
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasKprobes, 'kprobes')('take a cookie, or say that the kernel has none', async () => {
    const ebpf = await load('kprobe');
    try {
      const attached = ebpf.program('enter', Kprobe).attach({ cookie: 7 });
      if ((await features.bpfCookie()).supported) await expect(attached).resolves.toMatchObject({ closed: false });
      else await expect(attached).rejects.toMatchObject({ code: 'ERR_EBPF_UNSUPPORTED', since: '5.15' });
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasKprobes, 'kprobes')('at a function that is not there are refused with the nearest names', async () => {
    const ebpf = await load('kprobe');
    try {
      await expect(
        ebpf.program('anywhere', Kprobe).attach({ function: 'security_task_setnicer' }),
      ).rejects.toMatchObject({
        code: 'ERR_EBPF_NOT_FOUND',
        suggestions: expect.arrayContaining(['security_task_setnice']) as unknown,
      });
      await expect(ebpf.program('anywhere', Kprobe).attach()).rejects.toMatchObject({ code: 'ERR_EBPF_INVALID_VALUE' });
    } finally {
      await ebpf.close();
    }
  });

  test('are named by a function and an offset, and nothing else', async () => {
    const ebpf = await load('kprobe');
    try {
      for (const name of ['', 'a b', 'name+', 'name+x', '+4', '../x', 'name\0']) {
        await expect(ebpf.program('anywhere', Kprobe).attach({ function: name })).rejects.toMatchObject({
          code: 'ERR_EBPF_INVALID_VALUE',
          path: 'function',
        });
      }
      await expect(
        ebpf.program('leave', Kretprobe).attach({ function: 'security_task_setnice+8' }),
      ).rejects.toMatchObject({ code: 'ERR_EBPF_INVALID_VALUE' });
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasKprobes, 'kprobes')('run at an address, and at what another kprobe would be refused for', async () => {
    const ebpf = await load('kprobe');
    try {
      const symbols = readFileSync('/proc/kallsyms', 'latin1');
      const [, digits = ''] = /^(\S+) [tT] security_task_setnice$/mu.exec(symbols) ?? [];
      const program = ebpf.program('anywhere', Kprobe);
      const link = await program.attach({ address: BigInt(`0x${digits}`) });
      expect(link.target).toBe(`kprobe 0x${BigInt(`0x${digits}`).toString(16)}`);
      await program.attach({ function: 'vmlinux:security_task_setnice' });
      changePriority(5);
      expect(ebpf.variable('entries').value).toBe(2n);
      await expect(program.attach({ address: 0xfffn })).rejects.toMatchObject({
        code: 'ERR_EBPF_INVALID_VALUE',
        path: 'address',
      });
      await expect(program.attach({ function: 'nf_tables:security_task_setnice' })).rejects.toMatchObject({
        code: 'ERR_EBPF_NOT_FOUND',
      });
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasKprobes, 'kprobes')('run at entry and return of a system call', async () => {
    const ebpf = await load('ksyscall');
    try {
      const { links } = await ebpf.attach();
      expect(links.map(({ target }) => target)).toEqual(['ksyscall setpriority', 'kretsyscall setpriority']);
      changePriority(5);
      expect([ebpf.variables['entries'], ebpf.variables['returns']]).toEqual([1n, 1n]);
      await Promise.all(links.map(async (link) => link.close()));
      await ebpf.program('leave', Kretsyscall).attach({ syscall: 'setpriority' });
      changePriority(5);
      expect([ebpf.variables['entries'], ebpf.variables['returns']]).toEqual([1n, 2n]);
      const program = ebpf.program('anywhere', Ksyscall);
      await expect(program.attach({ syscall: 'setpriorities' })).rejects.toMatchObject({
        code: 'ERR_EBPF_NOT_FOUND',
        suggestions: expect.arrayContaining(['setpriority']) as unknown,
      });
      await expect(program.attach()).rejects.toThrow("names none; give { syscall: 'name' }");
    } finally {
      await ebpf.close();
    }
  });

  if (!hasKprobes) {
    test('are refused by a kernel without them, which is named as the reason', async () => {
      const ebpf = await load('kprobe');
      try {
        await expect(ebpf.program('enter', Kprobe).attach()).rejects.toMatchObject({
          code: 'ERR_EBPF_UNSUPPORTED',
          message: expect.stringContaining('CONFIG_KPROBE_EVENTS') as unknown,
        });
      } finally {
        await ebpf.close();
      }
    });
  }
});

describe('fentry and fexit', () => {
  testIf(hasFentry, 'fentry')('see the arguments and the result', async () => {
    const ebpf = await load('fentry');
    try {
      expect(ebpf.program('enter', Fentry).attachTo).toBe('security_task_setnice');
      expect(ebpf.program('leave', Fexit).attachTo).toBe('security_task_setnice');
      const { links } = await ebpf.attach();
      expect(links.map(({ target }) => target)).toEqual([
        'fentry security_task_setnice',
        'fexit security_task_setnice',
      ]);
      const reader = ebpf.map('changes', RingBuffer.of(Nice)).read();
      changePriority(5);
      const changes = [];
      for await (const change of reader) if (changes.push(change) === 2) break;
      const both = { pid: process.pid, task: process.pid, value: 5, result: 0 };
      expect(changes).toEqual([
        { ...both, returned: 0 },
        { ...both, returned: 1 },
      ]);
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasFentry, 'fentry')('have links that are described', async () => {
    const ebpf = await load('fentry');
    try {
      const link: Link = await ebpf.program('enter', Fentry).attach();
      expect(link.info().programId).toBe(ebpf.program('enter').info().id);
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasFentry, 'fentry')('take a cookie, or say that the kernel has none', async () => {
    const ebpf = await load('fentry');
    try {
      const attached = ebpf.program('leave', Fexit).attach({ cookie: 7 });
      await attached.catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'ERR_EBPF_UNSUPPORTED', since: '5.19' });
      });
      // Kernels that have cookies here have them for raw tracepoints too or came before; 6.1 has these.
      if (kernelHasFunction('bpf_get_attach_cookie_tracing')) await attached;
      else await expect(attached).rejects.toMatchObject({ since: '5.19' });
    } finally {
      await ebpf.close();
    }
  });
});

testIf(hasKprobes && hasKernelBtf && !hasFentry, 'a kernel without fentry')(
  'programs that attach by BTF are refused by a kernel that cannot call them, which is named as the reason',
  async () => {
    const attached = async (name: string): Promise<void> => {
      const ebpf = await load(name);
      try {
        await ebpf.attach();
      } finally {
        await ebpf.close();
      }
    };
    const refusal = (text: string): unknown =>
      expect.objectContaining({ code: 'ERR_EBPF_UNSUPPORTED', message: expect.stringContaining(text) as unknown });
    await expect(attached('fentry')).rejects.toEqual(refusal(process.arch));
    // Kernels may have functions to attach to and no security hooks.
    const hasHooks = kernelHasSymbol('bpf_lsm_task_setnice');
    await expect(attached('lsm')).rejects.toEqual(refusal(hasHooks ? process.arch : 'CONFIG_BPF_LSM'));
  },
);

describe('LSM programs', () => {
  testIf(hasLsm, 'BPF LSM')('forbid what they are asked about, and nothing else', async () => {
    const ebpf = await load('lsm', { forbidden: 7 });
    try {
      const { links } = await ebpf.attach();
      expect(links.map(({ target }) => target)).toEqual(['lsm task_setnice']);
      changePriority(6);
      expect(getPriority()).toBe(6);
      expect(() => {
        changePriority(7);
      }).toThrow(expect.objectContaining({ code: 'ERR_SYSTEM_ERROR' }));
      expect(getPriority()).toBe(6);
      expect(ebpf.variable('asked').value).toBe(2n);
      expect(ebpf.variable('refused').value).toBe(1n);
      await ebpf.program('set_nice', Lsm).links[0]?.close();
      changePriority(7);
      expect(getPriority()).toBe(7);
    } finally {
      await ebpf.close();
    }
  });
});
