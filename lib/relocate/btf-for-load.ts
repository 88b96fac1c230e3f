import { Btf, withOlderKinds, withPlainSectionNames, withStaticFunctions, type BtfKind } from '../btf/index.js';
import type { ObjectSpec } from '../object/index.js';

/** What compilers call where the source copies or fills memory, and linkers, such as Rust's, then bring along as global functions. */
const ofCompilers: ReadonlySet<string> = new Set(['memset', 'memcpy', 'memmove', 'memcmp', 'bcmp']);

/**
 * The object's types as this load gives them to the kernel. Global functions that the source hides (`__hidden`) become
 * static, and so do those of compilers: the kernel then checks them where they are called, with what it knows there, and not for
 * all arguments. Types of kinds that the kernel does not take become older ones; ids stay what they are.
 */
export function btfForLoad(object: ObjectSpec, kinds: ReadonlySet<BtfKind> | undefined): Uint8Array | undefined {
  let bytes = withFunctionsStatic(object);
  if (bytes === undefined) return undefined;
  const { name } = object;
  if ([...object.maps.values()].some(({ kind }) => kind === 'struct-ops')) {
    bytes = withPlainSectionNames(Btf.parse(bytes, { name }));
  }
  return kinds === undefined ? bytes : withOlderKinds(Btf.parse(bytes, { name }), kinds);
}

function withFunctionsStatic(object: ObjectSpec): Uint8Array | undefined {
  const bytes = object.btfBytes;
  const functions = [...object.functions.values()]
    .filter(({ name, hidden }) => hidden || ofCompilers.has(name))
    .filter((spec) => spec.linkage !== 'static' && spec.btfTypeId !== 0)
    .map((spec) => spec.btfTypeId);
  if (bytes === undefined || functions.length === 0) return bytes;
  return withStaticFunctions(Btf.parse(bytes, { name: object.name }), functions);
}
