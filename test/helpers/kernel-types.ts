// What the running kernel's own BTF says of it, to hold answers of the library against.
import { existsSync, readFileSync } from 'node:fs';

import { Btf, BtfKind } from '../../lib/btf/index.js';

const path = '/sys/kernel/btf/vmlinux';

export const hasKernelBtf: boolean = existsSync(path);
const kernel = hasKernelBtf ? Btf.parse(readFileSync(path), { name: 'vmlinux' }) : undefined;

/** The names of an enumeration of the kernel, without their prefix. */
export function enumeratorsOf(enumeration: string, prefix: string): ReadonlySet<string> {
  const type = kernel?.type(kernel.find(enumeration, BtfKind.ENUM) ?? 0);
  if (type?.kind !== BtfKind.ENUM) throw new Error(`the kernel's BTF has no enum ${enumeration}`);
  return new Set(
    type.values.filter(({ name }) => name.startsWith(prefix)).map(({ name }) => name.slice(prefix.length)),
  );
}

export function kernelHasFunction(name: string): boolean {
  return kernel?.find(name, BtfKind.FUNC) !== undefined;
}

export function kernelHasVariable(name: string): boolean {
  return kernel?.find(name, BtfKind.VAR) !== undefined;
}

export function kernelHasMember(struct: string, member: string): boolean {
  const type = kernel?.type(kernel.find(struct, BtfKind.STRUCT) ?? 0);
  return type?.kind === BtfKind.STRUCT && type.members.some(({ name }) => name === member);
}

export function kernelHasStruct(name: string): boolean {
  return kernel?.find(name, BtfKind.STRUCT) !== undefined;
}
