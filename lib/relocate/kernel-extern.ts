import { type Btf, BtfKind } from '../btf/index.js';
import type { ExternSpec } from '../object/index.js';

/**
 * What a `__ksym` declaration asks for:
 *
 * - `function`: a kernel function to call (a kfunc), found by name in BTF and compared by its prototype;
 * - `variable`: a kernel variable, found by name in BTF and compared by its type;
 * - `symbol`: an address by name, `extern const void x __ksym`, found in /proc/kallsyms.
 */
export type KernelExtern =
  | { readonly kind: 'function'; readonly prototype: number }
  | { readonly kind: 'variable'; readonly type: number }
  | { readonly kind: 'symbol' };

/** Undefined for what is not declared `__ksym`. */
export function kernelExtern(btf: Btf | undefined, extern: ExternSpec | undefined): KernelExtern | undefined {
  if (btf === undefined || extern?.section !== '.ksyms' || extern.typeId === 0) return undefined;
  const declaration = btf.type(extern.typeId);
  if (declaration.kind === BtfKind.FUNC) return { kind: 'function', prototype: declaration.type };
  if (declaration.kind !== BtfKind.VAR) return undefined;
  const type = btf.skipModifiers(declaration.type);
  return type === 0 ? { kind: 'symbol' } : { kind: 'variable', type };
}
