import { readFileSync } from 'node:fs';

import { Btf, BtfKind } from '../btf/index.js';
import { ObjectFormatError } from '../errors/index.js';
import { tryWithObject } from '../kernel/index.js';
import type { SectionRule } from '../object/index.js';
import { objectInfo, readBtf, type Handle, type ProgramInfo } from '../sys/index.js';

/** The function or tracepoint that a program was loaded for, by its BTF. */
export interface AttachTarget {
  /** As a section names it: `sched_switch`, `task` of an iterator. */
  readonly name: string;
  /** Whether programs of such sections are for targets like this. */
  readonly fits: (rule: SectionRule) => boolean;
}

/** What the kernel's macros put before the names that sections have, by the kind of program. */
const prefixes = [
  { kind: 'tp_btf', of: BtfKind.TYPEDEF, prefix: 'btf_trace_' },
  { kind: 'iter', of: BtfKind.FUNC, prefix: 'bpf_iter_' },
] as const;

let kernel: WeakRef<Btf> | undefined;

/** Undefined for programs that are for no such target, before Linux 5.18, and where this process may not ask. */
export function attachTargetOf({ attachBtfId, attachBtfObjectId }: ProgramInfo): AttachTarget | undefined {
  if (attachBtfId === 0 || attachBtfObjectId === 0) return undefined;
  const btf = tryWithObject('btf', attachBtfObjectId, typesOf);
  if (btf === undefined) return undefined;
  const name = btf.nameOf(attachBtfId);
  const special = prefixes.find(({ of, prefix }) => btf.kind(attachBtfId) === of && name.startsWith(prefix));
  if (special !== undefined) {
    return { name: name.slice(special.prefix.length), fits: (rule) => rule.kind === special.kind };
  }
  return {
    name: name.replace(/^bpf_lsm_/, ''),
    fits: (rule) => rule.attachesByBtf && prefixes.every(({ kind }) => rule.kind !== kind),
  };
}

function typesOf(handle: Handle): Btf | undefined {
  const { name, kernel: isKernel } = objectInfo(handle, 'btf');
  try {
    if (!isKernel) return Btf.parse(readBtf(handle), { name });
    if (name === 'vmlinux') return kernelTypes(() => readBtf(handle));
    const base = kernelTypes(() => readFileSync('/sys/kernel/btf/vmlinux'));
    return Btf.parse(readBtf(handle), { name, base });
  } catch (error) {
    // Of a newer kind, or where sysfs is not mounted: not knowing is no failure.
    if (error instanceof ObjectFormatError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Several megabytes that take ten milliseconds, for many programs the same. */
function kernelTypes(read: () => Uint8Array): Btf {
  const known = kernel?.deref();
  if (known !== undefined) return known;
  const btf = Btf.parse(read(), { name: 'vmlinux' });
  kernel = new WeakRef(btf);
  return btf;
}
