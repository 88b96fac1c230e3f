// The probes against what the kernel's own BTF and files say: a probe that lies in either direction fails here.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import {
  BtfKind,
  EbpfError,
  HelperId,
  LinkType,
  MapType,
  ProgramType,
  features,
  type Feature,
} from '../../lib/index.js';
import { runChild } from '../helpers/child.js';
import {
  enumeratorsOf,
  hasKernelBtf,
  kernelHasFunction,
  kernelHasMember,
  kernelHasStruct,
} from '../helpers/kernel-types.js';
import { isBpfModuleActive } from '../helpers/kernel-hooks.js';
import { openDescriptors } from '../helpers/open-descriptors.js';
import { testIf } from '../helpers/skip.js';

/** Undefined where this process is not allowed to ask: such hosts answer EPERM to some types. */
async function asked(answer: Promise<Feature>): Promise<Feature | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (EbpfError.is(error) && error.code === 'ERR_EBPF_PERMISSION') return undefined;
    throw error;
  }
}

/** By name, without doubles: an enumeration gives some numbers an old and a new name. */
function newestNames<T extends number>(values: Readonly<Record<string, T>>): [string, T][] {
  return [...new Map(Object.entries(values).map(([name, value]) => [value, [name, value] as [string, T]])).values()];
}

/** Types that a kernel's enumeration has though its configuration leaves them out: each with the option. */
const configured = {
  program: new Set(['LIRC_MODE2', 'LSM', 'NETFILTER', 'STRUCT_OPS', 'EXT']),
  map: new Set(['XSKMAP', 'STRUCT_OPS', 'ARENA', 'INODE_STORAGE']),
  link: new Set(['KPROBE_MULTI', 'UPROBE_MULTI', 'NETKIT', 'NETFILTER', 'STRUCT_OPS', 'TCX']),
};

describe('program types', () => {
  testIf(hasKernelBtf, 'kernel BTF')('that the kernel does not know are not supported, the others are', async () => {
    const known = enumeratorsOf('bpf_prog_type', 'BPF_PROG_TYPE_');
    const wrong: string[] = [];
    for (const [name, type] of newestNames(ProgramType)) {
      const answer = await asked(features.programType(type));
      if (answer === undefined || (!answer.supported && configured.program.has(name))) continue;
      if (answer.supported !== (known.has(name) && name !== 'UNSPEC')) wrong.push(`${name}: ${answer.reason}`);
    }
    expect(wrong).toEqual([]);
  });

  test('of the future are not supported, and the reason says what was asked', async () => {
    await expect(features.programType(1000 as ProgramType)).resolves.toEqual({
      supported: false,
      reason: 'cannot load a program of type number 1000: bpf(BPF_PROG_LOAD) failed with EINVAL',
    });
  });
});

describe('map types', () => {
  testIf(hasKernelBtf, 'kernel BTF')('that the kernel does not know are not supported, the others are', async () => {
    const known = enumeratorsOf('bpf_map_type', 'BPF_MAP_TYPE_');
    const wrong: string[] = [];
    for (const [name, type] of newestNames(MapType)) {
      const { supported, reason } = await features.mapType(type);
      if (!supported && configured.map.has(name)) continue;
      const old = [...known].some((each) => each === name || each === `${name}_DEPRECATED`);
      if (supported !== (old && name !== 'UNSPEC')) wrong.push(`${name}: ${reason}`);
    }
    expect(wrong).toEqual([]);
  });

  test('of the future are not supported', async () => {
    await expect(features.mapType(1000 as MapType)).resolves.toMatchObject({ supported: false });
  });
});

describe('link types', () => {
  testIf(hasKernelBtf, 'kernel BTF')('that the kernel does not know are not supported, the others are', async () => {
    const known = enumeratorsOf('bpf_link_type', 'BPF_LINK_TYPE_');
    const wrong: string[] = [];
    for (const [name, type] of newestNames(LinkType)) {
      // Links of SOCKMAP were there before their name.
      if (name === 'UNSPEC' || name === 'SOCKMAP') continue;
      const answer = await asked(features.linkType(type));
      if (answer === undefined || (!answer.supported && configured.link.has(name))) continue;
      if (answer.supported !== known.has(name)) wrong.push(`${name}: ${answer.reason}`);
    }
    expect(wrong).toEqual([]);
  });

  test('that are none are refused', async () => {
    await expect(features.linkType(LinkType.UNSPEC)).rejects.toMatchObject({ code: 'ERR_EBPF_INVALID_VALUE' });
  });

  testIf(hasKernelBtf, 'kernel BTF')('are supported where the kernel has the function that releases them', async () => {
    const releases = {
      KPROBE_MULTI: 'bpf_kprobe_multi_link_release',
      UPROBE_MULTI: 'bpf_uprobe_multi_link_release',
      NETFILTER: 'bpf_nf_link_release',
      TCX: 'tcx_link_release',
      STRUCT_OPS: 'bpf_struct_ops_map_link_dealloc',
      PERF_EVENT: 'bpf_perf_link_release',
      SOCKMAP: 'sock_map_link_release',
    } as const;
    const expected: Record<string, boolean> = {};
    const found: Record<string, boolean> = {};
    for (const [name, release] of Object.entries(releases)) {
      expected[name] = kernelHasFunction(release);
      found[name] = (await features.linkType(LinkType[name as keyof typeof releases])).supported;
    }
    expect(found).toEqual(expected);
  });
});

describe('helpers', () => {
  testIf(hasKernelBtf, 'kernel BTF')('that the kernel has no number for are not supported', async () => {
    const known = enumeratorsOf('bpf_func_id', 'BPF_FUNC_');
    const wrong: string[] = [];
    for (const [name, helper] of newestNames(HelperId)) {
      const { supported, reason } = await features.helper(ProgramType.TRACEPOINT, helper);
      if (supported && !known.has(name)) wrong.push(`${name}: ${reason}`);
    }
    expect(wrong).toEqual([]);
    expect((await features.helper(ProgramType.TRACEPOINT, 5000 as HelperId)).supported).toBe(false);
  });

  test('are told apart by program type', async () => {
    const { xdp_adjust_head: adjust, probe_read_kernel: read } = HelperId;
    expect((await features.helper(ProgramType.XDP, adjust)).supported).toBe(true);
    expect((await features.helper(ProgramType.TRACEPOINT, adjust)).supported).toBe(false);
    expect((await features.helper(ProgramType.TRACEPOINT, read)).supported).toBe(true);
    expect((await features.helper(ProgramType.SCHED_CLS, HelperId.sk_select_reuseport)).supported).toBe(false);
  });

  testIf(hasKernelBtf, 'kernel BTF')('of programs that attach by BTF are found with a real target', async () => {
    expect((await features.helper(ProgramType.TRACING, HelperId.probe_read_kernel)).supported).toBe(true);
    expect((await features.helper(ProgramType.TRACING, HelperId.xdp_adjust_head)).supported).toBe(false);
  });

  test('of programs that replace others cannot be asked for', async () => {
    await expect(features.helper(ProgramType.EXT, HelperId.ktime_get_ns)).rejects.toMatchObject({
      code: 'ERR_EBPF_UNSUPPORTED',
    });
  });
});

testIf(hasKernelBtf, 'kernel BTF')(
  'kinds of BTF are supported where the kernel has the function that checks them',
  async () => {
    const checks = {
      FLOAT: 'btf_float_check_meta',
      DECL_TAG: 'btf_decl_tag_check_meta',
      ENUM64: 'btf_enum64_check_meta',
    };
    for (const [kind, check] of Object.entries(checks)) {
      const { supported, reason } = await features.btfKind(BtfKind[kind as keyof typeof checks]);
      expect({ kind, supported, reason }).toEqual({ kind, supported: kernelHasFunction(check), reason });
    }
    // Came with 5.17, between the two others; no kernel has 64-bit enumerations without it.
    if (kernelHasFunction('btf_enum64_check_meta'))
      expect((await features.btfKind(BtfKind.TYPE_TAG)).supported).toBe(true);
    if (!kernelHasFunction('btf_decl_tag_check_meta'))
      expect((await features.btfKind(BtfKind.TYPE_TAG)).supported).toBe(false);
    expect((await features.btfKind(BtfKind.FUNC)).supported).toBe(true);
    expect((await features.btfKind(BtfKind.DATASEC)).supported).toBe(true);
  },
);

test('batch operations are told apart by map type', async () => {
  expect((await features.batchOperations(MapType.HASH)).supported).toBe(true);
  expect((await features.batchOperations(MapType.QUEUE)).supported).toBe(false);
});

testIf(hasKernelBtf, 'kernel BTF')('named features agree with what the kernel is made of', async () => {
  const facts = {
    kernelBtf: true,
    // Before 5.11 each map has the account of the user who pays for it.
    memoryCgroupAccounting: !kernelHasStruct('bpf_map_memory'),
    // Every kernel this library supports has it.
    bindMap: true,
    kprobes: kernelHasStruct('trace_kprobe'),
    uprobes: kernelHasStruct('trace_uprobe'),
    perfLink: kernelHasFunction('bpf_perf_link_release'),
    bpfCookie: kernelHasFunction('bpf_get_attach_cookie_trace'),
    kprobeMulti: kernelHasFunction('bpf_kprobe_multi_link_release'),
    kprobeSession: kernelHasFunction('bpf_kprobe_multi_link_release') && kernelHasFunction('bpf_session_is_return'),
    uprobeMulti: kernelHasFunction('bpf_uprobe_multi_link_release'),
    ringOverwrite: kernelHasMember('bpf_ringbuf', 'overwrite_pos'),
  };
  const found: Record<string, boolean> = {};
  for (const name of Object.keys(facts)) found[name] = (await features[name as keyof typeof facts]()).supported;
  expect(found).toEqual(facts);
});

test('what is no number is refused, not answered', async () => {
  const name = 'trace_vprintk' as unknown as HelperId;
  await expect(features.helper(ProgramType.XDP, name)).rejects.toMatchObject({
    code: 'ERR_EBPF_INVALID_VALUE',
    message: "helper: must be a number, as ProgramType, MapType and HelperId have, not 'trace_vprintk'",
  });
  await expect(features.mapType(undefined as unknown as MapType)).rejects.toMatchObject({ path: 'type' });
});

test('every answer has its reason, is remembered, and leaves nothing open', async () => {
  const before = openDescriptors();
  const first = await features.mapType(MapType.HASH);
  expect(first.reason).toBe('a map of type HASH was created');
  expect(await features.mapType(MapType.HASH)).toBe(first);
  expect(await features.mapType(MapType.SK_STORAGE)).toEqual({
    supported: true,
    reason: 'a map of type SK_STORAGE was created',
  });
  expect((await features.batchOperations(MapType.ARRAY_OF_MAPS)).reason).toMatch(/ARRAY_OF_MAPS/u);
  expect(openDescriptors()).toEqual(before);
});

test('who may not ask gets an error, never "no"', async () => {
  const { stdout, stderr } = await runChild(join(__dirname, 'features-children', 'unprivileged.ts'));
  expect({ lines: stdout.trim().split('\n'), stderr }).toEqual({
    lines: [
      'programType ERR_EBPF_PERMISSION',
      'mapType ERR_EBPF_PERMISSION',
      'btfKind ERR_EBPF_PERMISSION',
      'helper ERR_EBPF_PERMISSION',
      'linkType ERR_EBPF_PERMISSION',
    ],
    stderr: '',
  });
});

test('whether BPF is an active security module is told, whether securityfs is mounted or not', async () => {
  const { supported, reason } = await features.bpfLsm();
  if (existsSync('/sys/kernel/security/lsm')) expect(supported).toBe(isBpfModuleActive);
  expect(reason).toMatch(/bpf|CONFIG_BPF_LSM/);
});
