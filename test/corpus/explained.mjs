// Why a difference from libbpf, or an object that is refused, is right. What is not explained here fails `npm run corpus`, and so
// does an explanation that explains nothing any more.

import { isOlder } from './libbpf.mjs';

// enum bpf_map_type and enum bpf_attach_type of include/uapi/linux/bpf.h
const structOps = 26;
const traceUprobeMulti = 48;

/**
 * `objects` are those it is true of, as `suite package source`; `from` is the first libbpf that it is true of, `before` the
 * first that it is not. The first that `isSo` is the reason of a difference.
 */
const explanations = [
  {
    reason: 'made to be refused: cilium/ebpf tests its reader with it, and libbpf refuses all legacy maps',
    objects: / golang-github-cilium-ebpf-dev .*\/invalid_map-e[lb]\.elf$/u,
    isSo: ({ field }) => field === 'parse',
  },
  {
    reason: 'libbpf before 1.2 does not see sections .struct_ops.link',
    objects: / udev-hid-bpf /u,
    before: [1, 2],
    isSo: ({ field, theirs, mine, error }) =>
      (field === 'existence' && theirs === 'absent' && mine.type === structOps) ||
      // A kernel without such a structure: libbpf does not look for it.
      (error?.code === 'ERR_EBPF_UNSUPPORTED' && /^struct /u.test(error.feature)),
  },
  {
    reason:
      'libbpf before 1.2 calls kernel function 0 where a weak one is missing; later ones make the call that is made here',
    objects: / udev-hid-bpf /u,
    before: [1, 2],
    isSo: ({ field, ours, theirs, error }) =>
      (field === 'code' && withoutMissingFunctions(ours) === withoutMissingFunctions(theirs)) ||
      (field === 'load' && /reach a call of kernel function .* cannot be made/u.test(error?.summary)),
  },
  {
    reason: 'a call of a missing kernel function has its number among the externs, which libbpf has in another order',
    objects: / udev-hid-bpf /u,
    from: [1, 2],
    isSo: ({ field, ours, theirs }) =>
      field === 'code' && withoutMissingFunctions(ours) === withoutMissingFunctions(theirs),
  },
  {
    reason:
      'libbpf from 1.3 on attaches USDT probes through uprobe.multi where it can; here each kernel is given the same',
    objects: / libbpf-tools .*\/javagc(-libbpf)?$/u,
    from: [1, 3],
    isSo: ({ field, ours, theirs }) => field === 'attachType' && ours === 0 && theirs === traceUprobeMulti,
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
    const found = this.#known.find(({ objects, isSo }) => objects.test(nameOf(object)) && isSo(difference));
    if (found !== undefined) this.#counts.set(found, (this.#counts.get(found) ?? 0) + 1);
    return found?.reason;
  }

  /** [[reason, how many differences]] */
  get used() {
    return Array.from(this.#counts, ([{ reason }, count]) => [reason, count]);
  }

  /** The reasons that were true of none of these objects although they are said to be. */
  outdated(objects) {
    const names = objects.map(nameOf);
    return this.#known
      .filter((known) => !this.#counts.has(known) && names.some((name) => known.objects.test(name)))
      .map(({ reason }) => reason);
  }
}

const nameOf = ({ suite, package: name, source }) => `${suite} ${name} ${source}`;
