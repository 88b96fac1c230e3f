// Why a difference from libbpf, or an object that is refused, is right. What is not explained here fails `npm run corpus`.

// enum bpf_map_type of include/uapi/linux/bpf.h
const structOps = 26;
const ringBuffer = 27;

/** [reason, whether it is so]; the first that is so is the reason. */
const reasons = [
  [
    'made to be refused: cilium/ebpf tests its reader with it, and libbpf refuses all legacy maps',
    ({ field }, { object }) => field === 'parse' && /\/invalid_map-e[lb]\.elf$/u.test(object.source),
  ],
  [
    'libbpf before 1.2 does not see sections .struct_ops.link',
    ({ field, theirs, mine }) => field === 'existence' && theirs === 'absent' && mine.type === structOps,
  ],
  [
    'this kernel has no such structure for the maps of .struct_ops.link, which libbpf before 1.2 leaves out',
    ({ error }) => error?.code === 'ERR_EBPF_UNSUPPORTED' && /^struct /u.test(error.feature),
  ],
  [
    'libbpf gives ring buffers their type, and leaves it out again when the kernel refuses',
    ({ where, field, ours, mine }) =>
      where.startsWith('created map') && field === 'valueType' && ours === 0 && mine.type === ringBuffer,
  ],
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
