// Why a difference from libbpf, or an object that is refused, is right. What is not explained here fails `npm run corpus`.

/** Things that objects have and this library does not load yet: UnsupportedError's `feature`. */
const missing = [
  'initial values of maps of maps and program arrays',
  'kernel configuration values (__kconfig)',
  'kernel symbols (__ksym)',
  'struct_ops',
  'struct_ops maps',
  'freplace programs',
];

/** [reason, whether it is so]; the first that is so is the reason. */
const reasons = [
  [
    'made to be refused: cilium/ebpf tests its reader with it, and libbpf refuses all legacy maps',
    ({ field }, { object }) => field === 'parse' && /\/invalid_map-e[lb]\.elf$/u.test(object.source),
  ],
  ...missing.map((feature) => [
    `not supported yet: ${feature}`,
    ({ error }) => error?.code === 'ERR_EBPF_UNSUPPORTED' && error.feature === feature,
  ]),
  [
    'not supported yet: the map of kernel configuration values',
    ({ where, field, ours }) => field === 'existence' && /\.kconfig$/u.test(where) && ours === 'absent',
  ],
  [
    'not supported yet: BTF that describes kernel configuration values or symbols',
    ({ field, error }, { uses }) =>
      field === 'load' && error.syscall === 'bpf(BPF_BTF_LOAD)' && (uses.has('.kconfig') || uses.has('.ksyms')),
  ],
];

/** Undefined when there is none. */
export function explanationOf(difference, result) {
  return reasons.find(([, isSo]) => isSo(difference, result))?.[0];
}
