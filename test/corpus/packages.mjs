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

/** Oldest first. */
export const suites = ['bookworm', 'trixie', 'sid'];
