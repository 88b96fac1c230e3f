// Why a difference from libbpf, or an object that is refused, is right. What is not explained here fails `npm run corpus`.

/** Things that objects have and this library does not load yet: UnsupportedError's `feature`. */
const missing = [
  'initial values of maps of maps and program arrays',
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
    'libbpf before 1.2 calls kernel function 0 where a weak one is missing; later ones make the call that is made here',
    ({ field, ours, theirs }) => field === 'code' && withoutMissingFunctions(ours) === withoutMissingFunctions(theirs),
  ],
];

// A call of helper 2002000000 and up, or of kernel function 0, little-endian.
const missingFunction = /^(?:85000000....5477|8520000000000000)$/u;

function withoutMissingFunctions(code) {
  return code.replace(/.{16}/gu, (instruction) => (missingFunction.test(instruction) ? '-'.repeat(16) : instruction));
}

/** Undefined when there is none. */
export function explanationOf(difference, result) {
  return reasons.find(([, isSo]) => isSo(difference, result))?.[0];
}
