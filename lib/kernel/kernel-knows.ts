import { BtfKind } from '../btf/index.js';

import { kernelBtf } from './kernel-btf.js';

/**
 * Whether an enumeration of the kernel has a name: `kernelKnows('bpf_map_type', 'BPF_MAP_TYPE_ARENA')`. Better than a
 * version number, which distributions' backports make meaningless. Undefined when the kernel has no BTF to ask.
 */
export async function kernelKnows(enumeration: string, name: string): Promise<boolean | undefined> {
  const btf = await kernelBtf().catch(() => undefined);
  const id = btf?.find(enumeration, BtfKind.ENUM);
  if (btf === undefined || id === undefined) return undefined;
  const type = btf.type(id);
  return type.kind === BtfKind.ENUM ? type.values.some((value) => value.name === name) : undefined;
}
