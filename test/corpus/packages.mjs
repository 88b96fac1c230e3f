// Debian's packages that carry BPF objects: as files, or embedded in executables and libraries.

/** What `npm run corpus` reads of every suite; a suite that lacks a package goes without it, but for `required`. */
export const packages = [
  'bpftool',
  'bpftune',
  'dtrace',
  'golang-github-cilium-ebpf-dev',
  'ir-keytable',
  'keepalived',
  'libbpf-tools',
  'libdpdk-dev',
  'libknot13t64',
  'libknot14',
  'libknot15',
  'librust-aya-dev',
  'librust-aya-obj-dev',
  'librust-libbpf-rs-dev',
  'libvirt-daemon-driver-qemu',
  'libxdp1',
  'linux-perf',
  'oomd',
  'opensnitch-ebpf-modules',
  'pwru',
  'qemu-system-misc',
  'rasdaemon',
  'suricata',
  'sysdig',
  'systemd',
  'udev-hid-bpf',
  'xdp-tools',
];

/** Without these a suite is not the one that is meant. */
export const required = ['ir-keytable', 'libbpf-tools', 'libxdp1', 'xdp-tools'];

/** Debian's, oldest first: what is read unless `--suite` picks. */
export const suites = ['bookworm', 'trixie', 'sid'];

/** What other registries have, by the name that `--suite` picks: packages of one version each. */
export const registries = {
  go: ['github.com/cilium/ebpf@v0.22.0', 'github.com/cilium/cilium@v1.20.2'],
  pypi: ['pydivert==4.0.1'],
};
