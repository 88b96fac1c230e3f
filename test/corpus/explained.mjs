// Why a difference from libbpf, or an object that is refused, is right. What is not explained here fails `npm run corpus`, and so
// does an explanation that explains nothing any more.

import { isOlder } from './libbpf.mjs';
import { refused } from './loads.mjs';

// enum bpf_map_type of include/uapi/linux/bpf.h
const structOps = 26;
const ringBuffer = 27;

/**
 * The first of which a difference of an object is an instance is its reason. `from` is the first libbpf that it is true of,
 * `before` the first that it is not. Of the objects in `seen`, as `suite package source`, it has to be true of one; without, the
 * kernel decides.
 */
const explanations = [
  {
    reason: 'made to be refused: cilium/ebpf tests its reader with it, and libbpf refuses all legacy maps',
    seen: / golang-github-cilium-ebpf-dev .*invalid_map-el/u,
    isSo: ({ field }, { source }) => field === 'parse' && /invalid_map-e[lb]\.elf$/u.test(source),
  },
  {
    reason: 'libbpf before 1.2 does not see sections .struct_ops.link',
    seen: / udev-hid-bpf /u,
    before: [1, 2],
    isSo: ({ field, theirs, mine, error }) =>
      (field === 'existence' && theirs === 'absent' && mine.type === structOps) ||
      // A kernel without such a structure: libbpf does not look for it.
      (error?.code === 'ERR_EBPF_UNSUPPORTED' && /^struct /u.test(error.feature)),
  },
  {
    reason: 'libbpf gives ring buffers a type, and leaves it out again when the kernel refuses',
    seen: / cilium-ebpf examples\/ringbuffer\//u,
    isSo: ({ where, field, ours, mine }) =>
      where.startsWith('created map') && field === 'valueType' && ours === 0 && mine.type === ringBuffer,
  },
  {
    reason:
      'libbpf before 1.2 calls kernel function 0 where a weak one is missing; later ones make the call that is made here',
    seen: / udev-hid-bpf /u,
    before: [1, 2],
    isSo: ({ field, ours, theirs, error }) =>
      (field === 'code' && withoutMissingFunctions(ours) === withoutMissingFunctions(theirs)) ||
      (field === 'load' && /reach a call of kernel function .* cannot be made/u.test(error?.summary)),
  },
  {
    reason: 'a call of a missing kernel function has its number among the externs, which libbpf has in another order',
    seen: / udev-hid-bpf /u,
    from: [1, 2],
    isSo: ({ field, ours, theirs }) =>
      field === 'code' && withoutMissingFunctions(ours) === withoutMissingFunctions(theirs),
  },
  {
    // On kernels that lack one of an object's symbols, and not all of them.
    reason: 'libbpf looks for the symbols of all programs, those that are not to be loaded included',
    isSo: ({ field, ours, event }) =>
      field === 'load' && ours !== refused && /extern \((?:func|var) ksym\) .*: not found/u.test(event?.warning),
  },
];

// A call of helper 2002000000 and up, or of kernel function 0, little-endian.
const missingFunction = /^(?:85000000....5477|8520000000000000)$/u;

function withoutMissingFunctions(code) {
  return code.replace(/.{16}/gu, (instruction) => (missingFunction.test(instruction) ? '-'.repeat(16) : instruction));
}

/** The explanations that can be true beside this libbpf ([major, minor]), and how often each was. */
export class Explanations {
  #known;
  #counts = new Map();

  constructor(libbpf) {
    this.#known = explanations.filter(
      ({ from, before }) =>
        (from === undefined || !isOlder(libbpf, from)) && (before === undefined || isOlder(libbpf, before)),
    );
  }

  /** The reason of a difference of this object, undefined when there is none. */
  of(difference, object) {
    const found = this.#known.find(({ isSo }) => isSo(difference, object));
    if (found !== undefined) this.#counts.set(found, (this.#counts.get(found) ?? 0) + 1);
    return found?.reason;
  }

  /** [[reason, how many differences]] */
  get used() {
    return Array.from(this.#counts, ([{ reason }, count]) => [reason, count]);
  }

  /** The reasons that were true of none although they are said to be of one of these objects. */
  outdated(objects) {
    const names = objects.map(nameOf);
    return this.#known
      .filter((known) => !this.#counts.has(known) && names.some((name) => known.seen?.test(name)))
      .map(({ reason }) => reason);
  }
}

const nameOf = ({ suite, package: name, source }) => `${suite} ${name} ${source}`;
