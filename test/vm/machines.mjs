// The kernels that the kernel suite runs on, and how each architecture is emulated: data, and how to pick from it.
import { SetupError } from '../../scripts/setup.mjs';

/** What QEMU and Debian call an architecture, by Node's name for it. */
export const architectures = {
  x64: {
    debian: 'amd64',
    flavour: 'cloud-amd64',
    qemu: 'qemu-system-x86_64',
    qemuPackage: 'qemu-system-x86',
    // `max` and no KVM: a host may have a KVM that only runs kernels made for it. cmpxchg16b, which `max` has, is needed
    // by bpf_timer and arenas of 6.18 and later.
    arguments: ['-M', 'pc', '-cpu', 'max'],
    console: 'ttyS0',
    // The ELF image starts two seconds sooner than a bzImage, which decompresses itself under emulation.
    image: 'elf',
  },
  arm64: {
    debian: 'arm64',
    flavour: 'cloud-arm64',
    qemu: 'qemu-system-aarch64',
    qemuPackage: 'qemu-system-arm',
    arguments: ['-M', 'virt', '-cpu', 'neoverse-n1'],
    console: 'ttyAMA0',
    image: 'raw',
  },
  s390x: {
    debian: 's390x',
    flavour: 's390x',
    qemu: 'qemu-system-s390x',
    qemuPackage: 'qemu-system-s390x',
    arguments: ['-M', 's390-ccw-virtio', '-cpu', 'max'],
    console: 'ttysclp0',
    image: 'raw',
    bigEndian: true,
  },
};

/** Loading, attaching, maps, ring buffers, CO-RE, variables: where an architecture could make a difference. */
const smoke = [
  'load',
  'maps',
  'events',
  'relocate',
  'function-programs',
  'kprobe-multi',
  'sys-maps',
  'sys-programs',
  'sys-ring',
  'sys-ring-discards',
  'sys-ring-overwrite',
  'uprobes',
  'usdt',
];

/** What depends on the kernel's version most, for those between the oldest and the newest. */
const between = [
  ...smoke,
  'features',
  'kernel-holders',
  'links',
  'tc',
  'xdp',
  'cgroup-programs',
  'iterators',
  'perf-event-programs',
  'sleepable',
];
/** The applications of examples/: emulated they take minutes, and need one kernel that has all they use. */
const applications = ['packet-filter', 'profiler', 'program-daemon', 'security-monitor'];

/**
 * One row for each kernel: the newest package of that version in the first of these Debian suites that can be had. Version
 * `7` is the newest of all 7.x. Where `tests` are named, only those files of test/kernel run, and where `without` are, all but
 * those, unless `--whole` is given: then all files run on every x64 kernel. There is one processor unless `processors` says
 * more.
 */
export const machines = [
  {
    architecture: 'x64',
    version: '5.10',
    debianSuites: ['bullseye'],
    // Of which one orders programs in another way where there is no TCX.
    without: applications.filter((name) => name !== 'program-daemon'),
  },
  { architecture: 'x64', version: '6.1', debianSuites: ['bookworm', 'bullseye-backports'], tests: between },
  {
    architecture: 'x64',
    version: '6.12',
    debianSuites: ['trixie', 'bookworm-backports'],
    // One that can be switched off.
    processors: 2,
    tests: [
      ...smoke,
      ...applications,
      'cpu-hotplug',
      'function-replacement',
      'sleepable',
      'token',
      'xdp-device',
      'xdp-dispatcher',
      'xdp-loader',
    ],
  },
  { architecture: 'x64', version: '6.18', debianSuites: ['trixie-backports'], tests: between },
  { architecture: 'x64', version: '7', debianSuites: ['trixie-backports', 'sid'], without: applications },
  { architecture: 'arm64', version: '5.10', debianSuites: ['bullseye'], tests: smoke },
  { architecture: 'arm64', version: '7', debianSuites: ['trixie-backports', 'sid'], tests: smoke },
  // A kernel without BTF of its own.
  {
    architecture: 's390x',
    version: '6.1',
    debianSuites: ['bookworm', 'bullseye-backports'],
    tests: [...smoke, 'old-kernels'],
  },
  {
    architecture: 's390x',
    version: '6.12',
    debianSuites: ['trixie', 'bookworm-backports'],
    tests: [...smoke, 'flight-recorder', 'kernel-btf-index'],
  },
];

/** Modules that tests may need and Debian does not build in; those a kernel lacks or has built in are left out. */
export const modules = ['sch_ingress', 'cls_bpf', 'act_bpf', 'veth', 'dummy', 'nf_defrag_ipv4', 'nf_defrag_ipv6'];

/** `x64-6.1`: the name of a machine in folders and in output. */
export function machineName({ architecture, version }) {
  return `${architecture}-${version}`;
}

/** The machines that `--kernel` and `--arch` (lists with commas) pick; what picks nothing is refused. */
export function selectMachines({ kernel, arch }) {
  const wanted = (list) => (list === undefined ? undefined : list.split(',').filter((word) => word !== ''));
  const versions = wanted(kernel);
  const names = wanted(arch);
  const known = (words, values, what) => {
    const missing = words?.find((word) => !values.some((value) => matches(word, value)));
    if (missing === undefined) return;
    throw new SetupError(`no machine has ${what} "${missing}"; there are ${[...new Set(values)].join(', ')}`);
  };
  known(
    versions,
    machines.map(({ version }) => version),
    'kernel',
  );
  known(
    names,
    machines.map(({ architecture }) => architecture),
    'architecture',
  );
  const selected = machines.filter(
    ({ architecture, version }) =>
      (versions === undefined || versions.some((word) => matches(word, version))) &&
      (names === undefined || names.includes(architecture)),
  );
  if (selected.length === 0) throw new SetupError(`no machine has kernel ${kernel} on ${arch}`);
  return selected;
}

/** `7.3` picks the row of `7`: which 7.x that is, the mirror decides. */
function matches(word, version) {
  return word === version || (!version.includes('.') && word.startsWith(`${version}.`));
}
