// What a skipped test may lack, and how to tell, without the code under test, that this machine has it after all.
// test/helpers/skip.ts writes the names; scripts/test.mjs, with EBPF_REQUIRE_ROOT=1, fails a run that skipped what it could run.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

function read(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

const kernelHas = (symbol) => new RegExp(` ${symbol}(\\t|$)`, 'mu').test(read('/proc/kallsyms'));

const hasKprobes = () => fs.existsSync('/sys/bus/event_source/devices/kprobe');

// The call is there without CONFIG_FPROBE too, and refuses.
const hasKprobeMulti = () => hasKprobes() && kernelHas('register_fprobe_ips');

const hasBtf = () => fs.existsSync('/sys/kernel/btf/vmlinux');

const hasJit = () => !['', '0'].includes(read('/proc/sys/net/core/bpf_jit_enable').trim());

// Kernels hardened against tracing of functions have no kprobes, and refuse fentry and LSM programs though they have the code.
const hasTrampolines = () => hasKprobes() && hasBtf() && hasJit() && kernelHas('register_ftrace_direct');

/** Needs bpf_loop, of 5.17, and a JIT: functions of programs that are interpreted cannot be called back. */
const hasCallbacks = () => hasJit() && kernelHas('bpf_loop');

const kernelTypes = () => read('/sys/kernel/btf/vmlinux');

const hasInstructionArrays = () => kernelTypes().includes('\0BPF_MAP_TYPE_INSN_ARRAY\0');

/** Of 6.19. */
const hasOverwritingRings = () => kernelTypes().includes('\0overwrite_pos\0');

/** Of 6.4; the congestion controls that are tested need CONFIG_BPF_JIT as well. */
const hasStructOpsLinks = () => {
  const types = kernelTypes();
  return (
    hasJit() && types.includes('\0bpf_struct_ops_link\0') && types.includes('\0bpf_struct_ops_tcp_congestion_ops\0')
  );
};

const hasTestNetworks = () => commandSays('ip') && commandSays('unshare') && kernelHas('veth_xmit');

/** Of 6.17; of 6.18 by the name of bpf_stream_vprintk_impl. */
const hasStreams = () => /(?:^| )bpf_stream_vprintk/mu.test(read('/proc/kallsyms'));

const browsers = ['chromium', 'chromium-browser', 'google-chrome'];

const hasTcx = () => kernelHas('tcx_prog_attach');

const hasNetkit = () => kernelHas('netkit_link_attach');

const hasNetfilterLinks = () => kernelHas('bpf_nf_link_attach');

/** A command that PATH has, by its path. */
function commandSays(command) {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  const found = folders.map((folder) => path.join(folder, command)).find((file) => fs.existsSync(file));
  return found === undefined ? undefined : `there is ${found}`;
}

function kernelAtLeast(major, minor) {
  const [, foundMajor, foundMinor] = /^(\d+)\.(\d+)/u.exec(os.release()) ?? [0, 0, 0];
  return Number(foundMajor) * 1000 + Number(foundMinor) >= major * 1000 + minor;
}

/** A program in C of test/fixtures: VMs have it compiled. */
const hasFixture = (name) =>
  fs.existsSync(new URL(`../test/fixtures/${name}`, import.meta.url)) || commandSays('cc') !== undefined;

const activeModules = () => read('/sys/kernel/security/lsm').trim().split(',');

/** What no VM has: tests that need it run on the machine itself, with `npm run test:kernel`. */
export const neverInVms = [
  'a processor that is not emulated',
  'bpftool',
  'a browser',
  'netdevsim',
  'a kernel without actions of traffic control',
];

/** need → a sentence why this machine could meet it, or undefined when it cannot. */
const needs = new Map([
  ['Linux', () => (process.platform === 'linux' ? 'this is Linux' : undefined)],
  ['root', () => (process.getuid?.() === 0 ? 'this is root' : undefined)],
  ['kprobes', () => (hasKprobes() ? 'the kernel has kprobes' : undefined)],
  ['kprobe.multi', () => (hasKprobeMulti() ? 'the kernel has kprobes and register_fprobe_ips' : undefined)],
  [
    'kprobe.session',
    () => (hasKprobeMulti() && kernelHas('bpf_session_is_return') ? 'the kernel has bpf_session_is_return' : undefined),
  ],
  ['uprobes', () => (fs.existsSync('/sys/bus/event_source/devices/uprobe') ? 'the kernel has uprobes' : undefined)],
  ['kernel BTF', () => (hasBtf() ? '/sys/kernel/btf/vmlinux exists' : undefined)],
  ['a kernel without BTF', () => (hasBtf() ? undefined : 'there is no /sys/kernel/btf/vmlinux')],
  // Of 6.9; they are for user namespaces, and a fixture in C makes one.
  [
    'BPF tokens',
    () =>
      kernelHas('bpf_token_create') &&
      !['', '0'].includes(read('/proc/sys/user/max_user_namespaces').trim()) &&
      hasFixture('delegate')
        ? 'the kernel has bpf_token_create and user namespaces'
        : undefined,
  ],
  [
    'programs at UNIX sockets',
    () =>
      kernelHas('bpf_sock_addr_set_sun_path') && hasFixture('unix-datagrams')
        ? 'the kernel has bpf_sock_addr_set_sun_path, and there is a C compiler'
        : undefined,
  ],
  [
    'uprobes that may sleep',
    () =>
      fs.existsSync('/sys/bus/event_source/devices/uprobe') && kernelAtLeast(6, 1)
        ? 'the kernel has uprobes and is of 6.1 or later'
        : undefined,
  ],
  [
    'BPF LSM that may sleep',
    () =>
      hasTrampolines() && activeModules().includes('bpf') && kernelAtLeast(5, 11)
        ? 'BPF LSM is on, and the kernel is of 5.11 or later'
        : undefined,
  ],
  [
    'test runs of structures that may sleep',
    () =>
      hasJit() && ['test_sleepable', 'bpf_copy_from_user_str'].every((name) => kernelTypes().includes(`\0${name}\0`))
        ? "the kernel's BTF has test_sleepable and bpf_copy_from_user_str"
        : undefined,
  ],
  [
    'fentry that may sleep',
    () => (hasTrampolines() && kernelAtLeast(6, 3) ? 'the kernel has fentry and is of 6.3 or later' : undefined),
  ],
  ['a JIT', () => (hasJit() ? 'net.core.bpf_jit_enable is not 0' : undefined)],
  ['fentry', () => (hasTrampolines() ? 'the kernel has kprobes, BTF, a JIT and register_ftrace_direct' : undefined)],
  [
    'freplace',
    () =>
      hasTestNetworks() && hasKprobes() && hasBtf() && hasJit() ? 'the kernel has kprobes, BTF and a JIT' : undefined,
  ],
  [
    'xdp-loader',
    () =>
      hasTestNetworks() && hasKprobes() && hasBtf() && hasJit() && commandSays('nsenter')
        ? commandSays('xdp-loader')
        : undefined,
  ],
  [
    'a kernel without fentry',
    () =>
      hasKprobes() && hasBtf() && !hasTrampolines()
        ? 'the kernel has kprobes and BTF, and no JIT or no direct calls'
        : undefined,
  ],
  [
    'kernel configuration',
    () =>
      hasBtf() && ['/proc/config.gz', `/boot/config-${os.release()}`].some((file) => fs.existsSync(file))
        ? 'the configuration of the kernel can be read'
        : undefined,
  ],
  // The kernel must also be able to trace them: one test asks for that.
  [
    'kernel modules',
    () =>
      hasBtf() && hasTrampolines() && fs.readdirSync('/sys/kernel/btf').some((name) => name !== 'vmlinux')
        ? 'modules with BTF are loaded'
        : undefined,
  ],
  // Those of the sample `kfunc`, which any program may call.
  [
    'kernel functions',
    () =>
      hasBtf() && hasJit() && kernelHas('bpf_rcu_read_lock')
        ? 'the kernel has bpf_rcu_read_lock, BTF and a JIT'
        : undefined,
  ],
  ['BPF LSM', () => (hasTrampolines() && activeModules().includes('bpf') ? 'BPF LSM is on' : undefined)],
  ['links of struct_ops', () => (hasStructOpsLinks() ? "the kernel's BTF has bpf_struct_ops_link" : undefined)],
  ['bpftool', () => commandSays('bpftool')],
  ['llvm-objdump', () => commandSays('llvm-objdump-19')],
  [
    'arenas',
    () => (hasJit() && kernelTypes().includes('\0bpf_arena\0') ? "the kernel's BTF has bpf_arena" : undefined),
  ],
  // Of 6.19; only these processors' JITs compile them.
  [
    'indirect jumps',
    () =>
      hasJit() && hasInstructionArrays() && ['x64', 'arm64'].includes(process.arch)
        ? "the kernel's BTF has BPF_MAP_TYPE_INSN_ARRAY"
        : undefined,
  ],
  // Of 6.7; only these processors' JITs unwind them.
  [
    'exceptions',
    () =>
      hasJit() && kernelHas('bpf_throw') && ['x64', 'arm64'].includes(process.arch)
        ? 'the kernel has bpf_throw and a JIT'
        : undefined,
  ],
  [
    'a kernel without indirect jumps',
    () => (hasBtf() && !hasInstructionArrays() ? "the kernel's BTF has no BPF_MAP_TYPE_INSN_ARRAY" : undefined),
  ],
  [
    'a kernel that goes over all tasks',
    () =>
      hasBtf() && !kernelTypes().includes('\0bpf_iter_cgroup\0')
        ? "the kernel's BTF has no bpf_iter_cgroup, which came with iterators over some tasks"
        : undefined,
  ],
  [
    'fsession',
    () =>
      hasTrampolines() && kernelTypes().includes('\0BPF_TRACE_FSESSION\0')
        ? "the kernel's BTF has BPF_TRACE_FSESSION"
        : undefined,
  ],
  [
    'lsm_cgroup',
    () =>
      hasTrampolines() && kernelTypes().includes('\0BPF_LSM_CGROUP\0') && kernelHas('bpf_lsm_socket_bind')
        ? "the kernel's BTF has BPF_LSM_CGROUP"
        : undefined,
  ],
  [
    'breakpoints',
    () =>
      fs.existsSync('/sys/bus/event_source/devices/breakpoint') && os.arch() !== 's390x' && kernelHas('modprobe_path')
        ? 'the kernel has hardware breakpoints, and the symbol that is watched'
        : undefined,
  ],
  ['timers', () => (kernelHas('bpf_timer_start') && hasJit() ? 'the kernel has bpf_timer_start and a JIT' : undefined)],
  ['bloom filters', () => (kernelHas('bloom_map_peek_elem') ? 'the kernel has bloom_map_peek_elem' : undefined)],
  ['tracefs', () => (read('/proc/filesystems').includes('\ttracefs') ? 'the kernel has tracefs' : undefined)],
  [
    'tracefs, mounted',
    () =>
      read('/proc/mounts').includes(' tracefs ') && kernelHas('bpf_perf_link_attach')
        ? 'tracefs is mounted, and perf events have links'
        : undefined,
  ],
  ['streams of programs', () => (hasStreams() ? 'the kernel has bpf_stream_vprintk' : undefined)],
  ['a kernel without streams of programs', () => (hasStreams() ? undefined : 'the kernel has no bpf_stream_vprintk')],
  ['big-endian processor', () => (os.endianness() === 'BE' ? 'this processor is big-endian' : undefined)],
  ['callbacks of helpers', () => (hasCallbacks() ? 'the kernel has bpf_loop and a JIT' : undefined)],
  ['a browser', () => (browsers.some(commandSays) ? `one of ${browsers.join(', ')} is installed` : undefined)],
  [
    'network interfaces of its own',
    () => (hasTestNetworks() ? 'ip and unshare are installed, and the kernel has veth' : undefined),
  ],
  ['TCX', () => (hasTestNetworks() && hasTcx() ? 'the kernel has tcx_prog_attach' : undefined)],
  ['rings that overwrite', () => (hasOverwritingRings() ? 'struct bpf_ringbuf has overwrite_pos' : undefined)],
  [
    'a kernel without rings that overwrite',
    () => (hasOverwritingRings() ? undefined : 'no struct of the kernel has overwrite_pos'),
  ],
  ['a kernel without TCX', () => (hasTestNetworks() && !hasTcx() ? 'the kernel has no tcx_prog_attach' : undefined)],
  [
    'contexts of XDP',
    () => (hasTestNetworks() && kernelHas('bpf_timer_init') ? 'the kernel takes contexts of XDP' : undefined),
  ],
  [
    'XDP programs bound to an interface',
    () =>
      hasTestNetworks() && kernelHas('bpf_xdp_metadata_rx_hash')
        ? 'the kernel has bpf_xdp_metadata_rx_hash'
        : undefined,
  ],
  [
    'a kernel without XDP programs bound to an interface',
    () =>
      hasTestNetworks() && !kernelHas('bpf_xdp_metadata_rx_hash')
        ? 'the kernel has no bpf_xdp_metadata_rx_hash'
        : undefined,
  ],
  // Debian's kernels are built without that module.
  [
    'netdevsim',
    () =>
      hasTestNetworks() && fs.existsSync('/sys/bus/netdevsim/new_device')
        ? 'the module netdevsim is loaded'
        : undefined,
  ],
  [
    'live frames',
    () =>
      hasTestNetworks() && kernelHas('bpf_test_run_xdp_live') ? 'the kernel has bpf_test_run_xdp_live' : undefined,
  ],
  [
    'clsact',
    () =>
      hasTestNetworks() && kernelHas('clsact_init') && kernelHas('cls_bpf_change')
        ? 'the kernel has clsact and filters of BPF'
        : undefined,
  ],
  [
    'actions of traffic control',
    () => (hasTestNetworks() && kernelHas('tcf_bpf_act') ? 'the kernel has tcf_bpf_act' : undefined),
  ],
  // All kernels of the VMs have them.
  [
    'a kernel without actions of traffic control',
    () => (hasTestNetworks() && !kernelHas('tcf_bpf_act') ? 'the kernel has no tcf_bpf_act' : undefined),
  ],
  [
    'a kernel without programs of infrared receivers',
    () => (kernelHas('lirc_prog_attach') ? undefined : 'the kernel has no lirc_prog_attach'),
  ],
  ['netkit', () => (hasTestNetworks() && hasNetkit() ? 'the kernel has netkit' : undefined)],
  ['a kernel without netkit', () => (hasTestNetworks() && !hasNetkit() ? 'the kernel has no netkit' : undefined)],
  [
    'links of netfilter',
    () => (hasTestNetworks() && hasNetfilterLinks() ? 'the kernel has bpf_nf_link_attach' : undefined),
  ],
  [
    'defragmentation by netfilter',
    () =>
      hasTestNetworks() && hasNetfilterLinks() && kernelHas('nf_defrag_ipv4_enable')
        ? 'the kernel has nf_defrag_ipv4_enable'
        : undefined,
  ],
  [
    'programs of routes',
    () => (hasTestNetworks() && kernelHas('bpf_build_state') ? 'the kernel has bpf_build_state' : undefined),
  ],
  // scripts/vm-test.mjs says so inside the VMs: what is measured in milliseconds is measured on real processors.
  // `npm run test:vm` fetches them.
  ['fetched kernels', () => (fetchedKernel() === undefined ? undefined : `${vmCache()} has them`)],
  // `npm run corpus` fetches them.
  ['fetched objects', () => (hasFetchedObjects() ? `${vmCache()} has them` : undefined)],
  [
    'libbpf-dev',
    () =>
      fs.existsSync('/usr/include/bpf/btf.h') && commandSays('cc') !== undefined
        ? 'libbpf-dev and cc are installed'
        : undefined,
  ],
  ['clang-19', () => (hasClang() ? 'clang-19 is installed' : undefined)],
  // Only inside the VMs: no other machine is to lose a processor for a test.
  [
    'a processor that can be switched off',
    () =>
      process.env.EBPF_TEST_EMULATED === '1' && fs.existsSync('/sys/devices/system/cpu/cpu1/online')
        ? 'this VM has a second processor'
        : undefined,
  ],
  [
    'a processor that is not emulated',
    () => (process.env.EBPF_TEST_EMULATED === '1' ? undefined : 'this processor is not emulated'),
  ],
]);

/** What compiles the samples: scripts/build-samples.mjs installs it. */
function hasClang() {
  return (process.env.PATH ?? '').split(path.delimiter).some((folder) => fs.existsSync(path.join(folder, 'clang-19')));
}

/** The folder that test/vm/cache.mjs keeps kernels in. */
function vmCache() {
  const base = process.env.XDG_CACHE_HOME;
  const caches = base !== undefined && path.isAbsolute(base) ? base : path.join(os.homedir(), '.cache');
  return process.env.NODE_EBPF_VM_CACHE || path.join(caches, 'node-ebpf-vm');
}

function fetchedKernel() {
  const folder = vmCache();
  if (!fs.existsSync(folder)) return undefined;
  const names = fs.readdirSync(folder).filter((name) => /^kernel-[^-]+-[\d.]+$/u.test(name));
  return names.find((name) => fs.existsSync(path.join(folder, name, 'btf')));
}

function hasFetchedObjects() {
  const folder = vmCache();
  if (!fs.existsSync(folder)) return false;
  return fs
    .readdirSync(folder)
    .some((name) => /^corpus-[a-z]+$/u.test(name) && fs.existsSync(path.join(folder, name, 'entry.json')));
}

/** `name [skipped: needs kprobes]` → `needs kprobes`. */
export function skipReason(testName) {
  return /\[skipped: ([^\]]+)\]/u.exec(testName)?.[1];
}

/** Why a test skipped for this reason could have run here; undefined when the reason holds. */
export function whyRunnable(reason) {
  const need = /^needs (.+)$/u.exec(reason)?.[1];
  const version = /^kernel (\d+)\.(\d+)$/u.exec(need ?? '');
  if (version !== null) {
    return kernelAtLeast(Number(version[1]), Number(version[2])) ? `this is kernel ${os.release()}` : undefined;
  }
  const tell = needs.get(need);
  if (tell === undefined) return `"${reason}" is not a need that scripts/skips.mjs knows`;
  return tell();
}
