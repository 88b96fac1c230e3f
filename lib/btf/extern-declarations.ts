import { BtfBuilder } from './btf-builder.js';
import { BtfKind, typeHeaderWords } from './btf-kind.js';
import { BtfLinkage } from './btf-type.js';
import { Btf } from './btf.js';
import { infoFlag, infoVlen } from './type-table.js';

/** The data section of what the kernel provides; kernels have no such section, so its contents are of no meaning to them. */
const kernelSymbols = '.ksyms';
/** Stands for a function in a data section, and for a parameter's name that the source leaves out. */
const placeholder = 'dummy_ksym';
const placeholderSize = 4;
const entryWords = 3;

/**
 * The same types as a kernel takes them, which refuses what is declared and not defined: functions and variables of
 * extern linkage become global ones, and the entries of `.ksyms` integers of four bytes, one after another, whatever
 * they are. Ids stay what they are. Gives `btf` itself when it declares nothing of the kind.
 *
 * What kernels check: `btf_func_check`, `btf_var_check_meta` and `btf_datasec_check_meta` of kernel/bpf/btf.c.
 */
export function withDefinedExterns(btf: Btf): Btf {
  const found = findExterns(btf);
  if (found.functions.length + found.variables.length === 0 && found.section === undefined) return btf;
  const builder = BtfBuilder.from(btf);
  const name = builder.string(placeholder);
  const int = find4ByteInt(btf) ?? builder.addInt('int', { size: placeholderSize, signed: true });
  const variable = builder.addVariable(placeholder, int, BtfLinkage.GLOBAL);
  const bytes = builder.encode();
  // What is written below is found by the places that the types have in the bytes.
  const copy = Btf.parse(bytes, { name: btf.name, ...(btf.base && { base: btf.base }) });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const put = (id: number, word: number, value: number): void => {
    const record = copy.table.offsets[id - copy.startId] ?? 0;
    view.setUint32(copy.header.typesOffset + (record + word) * 4, value >>> 0, copy.littleEndian);
  };
  for (const id of found.functions) {
    const info = copy.word(id, 1);
    put(id, 1, info - infoVlen(info) + BtfLinkage.GLOBAL);
    nameParameters(copy, copy.word(id, 2), put, name);
  }
  for (const id of found.variables) put(id, typeHeaderWords, BtfLinkage.GLOBAL);
  if (found.section !== undefined) {
    const count = infoVlen(copy.word(found.section, 1));
    put(found.section, 2, count * placeholderSize);
    for (let index = 0; index < count; index++) {
      const at = typeHeaderWords + index * entryWords;
      const entry = copy.word(found.section, at);
      if (copy.kind(entry) === BtfKind.VAR) put(entry, 2, int);
      else put(found.section, at, variable);
      put(found.section, at + 1, index * placeholderSize);
      put(found.section, at + 2, placeholderSize);
    }
  }
  return Btf.parse(bytes, { name: btf.name, ...(btf.base && { base: btf.base }) });
}

interface Externs {
  readonly functions: readonly number[];
  readonly variables: readonly number[];
  readonly section: number | undefined;
}

function findExterns(btf: Btf): Externs {
  const functions: number[] = [];
  const variables: number[] = [];
  let section: number | undefined;
  for (let id = btf.startId; id < btf.endId; id++) {
    const kind = btf.kind(id);
    if (kind === BtfKind.FUNC && infoVlen(btf.word(id, 1)) === BtfLinkage.EXTERN) functions.push(id);
    else if (kind === BtfKind.VAR && btf.word(id, typeHeaderWords) === BtfLinkage.EXTERN) variables.push(id);
    else if (kind === BtfKind.DATASEC && btf.nameOf(id) === kernelSymbols) section ??= id;
  }
  return { functions, variables, section };
}

function find4ByteInt(btf: Btf): number | undefined {
  for (let id = btf.startId; id < btf.endId; id++) {
    if (btf.kind(id) !== BtfKind.INT || btf.word(id, 2) !== placeholderSize || infoFlag(btf.word(id, 1))) continue;
    const type = btf.type(id);
    if (type.kind === BtfKind.INT && type.bits === 32 && type.bitOffset === 0) return id;
  }
  return undefined;
}

/** A global function's parameters must have names (`btf_func_check`); a declaration's need not. */
function nameParameters(
  btf: Btf,
  prototype: number,
  put: (id: number, word: number, value: number) => void,
  name: number,
): void {
  if (btf.kind(prototype) !== BtfKind.FUNC_PROTO) return;
  const count = infoVlen(btf.word(prototype, 1));
  for (let index = 0; index < count; index++) {
    const at = typeHeaderWords + index * 2;
    if (btf.word(prototype, at) === 0 && btf.word(prototype, at + 1) !== 0) put(prototype, at, name);
  }
}
