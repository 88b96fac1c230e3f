import { quote } from '../errors/index.js';
import { BtfKind, typeHeaderWords } from './btf-kind.js';
import { BtfLinkage, type BtfDataSection } from './btf-type.js';
import type { Btf } from './btf.js';

/** What the ELF file knows of one DATASEC. */
export interface DataSectionLayout {
  /** Bytes of the ELF section. */
  readonly size: number;
  /** Where each variable of global linkage lies in it: its symbol's value. */
  readonly offsets: ReadonlyMap<string, number>;
  /** Variables whose symbol is hidden: they become static, so that the kernel and other objects leave them alone. */
  readonly hidden?: ReadonlySet<string>;
}

const entryWords = 3;
/** The encoding of an INT, BTF_INT_SIGNED and BTF_INT_CHAR, where it stands in the type's last word. */
const signedCharacter = 0x0300_0000;
const character = 0x0200_0000;

/**
 * A copy of `btf.bytes` with the named data sections completed: clang leaves a DATASEC's size and the offsets of its
 * global variables 0, and the kernel wants the entries in ascending order of offsets. Static variables' offsets are
 * clang's already and stay; sections that are not named stay as they are. Integers that are signed and characters too, as
 * GCC 12 has `signed char`, are signed: the kernel takes one of both (`btf_int_check_meta` of kernel/bpf/btf.c).
 *
 * @throws {ObjectFormatError} when a global variable has no offset, or lies outside its section.
 */
export function withDataSections(btf: Btf, sections: ReadonlyMap<string, DataSectionLayout>): Uint8Array {
  // Not slice(): that of a Buffer is a view.
  const copy = new Uint8Array(btf.bytes);
  const view = new DataView(copy.buffer, copy.byteOffset, copy.byteLength);
  const put = (id: number, word: number, value: number): void => {
    const record = btf.table.offsets[id - btf.startId] ?? 0;
    view.setUint32(btf.header.typesOffset + (record + word) * 4, value, btf.littleEndian);
  };
  for (let id = btf.startId; id < btf.endId; id++) {
    const kind = btf.kind(id);
    if (kind === BtfKind.INT) {
      const encoding = btf.word(id, typeHeaderWords);
      if ((encoding & signedCharacter) === signedCharacter) put(id, typeHeaderWords, encoding - character);
    }
    if (kind !== BtfKind.DATASEC) continue;
    const type = btf.type(id);
    const layout = sections.get(type.name);
    if (type.kind !== BtfKind.DATASEC || layout === undefined) continue;
    put(id, 2, layout.size);
    completed(btf, type, layout).forEach((entry, index) => {
      const at = typeHeaderWords + index * entryWords;
      put(id, at, entry.type);
      put(id, at + 1, entry.offset);
      put(id, at + 2, entry.size);
      if (entry.hide) put(entry.type, typeHeaderWords, BtfLinkage.STATIC);
    });
  }
  return copy;
}

interface CompletedEntry {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly hide: boolean;
}

function completed(btf: Btf, section: BtfDataSection, layout: DataSectionLayout): CompletedEntry[] {
  const entries = section.entries.map((entry): CompletedEntry => {
    const variable = btf.type(entry.type);
    if (variable.kind !== BtfKind.VAR || variable.linkage !== BtfLinkage.GLOBAL) return { ...entry, hide: false };
    const what = `variable ${quote(variable.name)} of section ${quote(section.name)}`;
    const offset = layout.offsets.get(variable.name);
    if (offset === undefined) throw btf.error(`${what} has no symbol in the object`, entry.type);
    if (offset + entry.size > layout.size) {
      throw btf.error(`${what} ends at ${offset + entry.size}, the section at ${layout.size}`, entry.type);
    }
    return {
      type: entry.type,
      offset,
      size: entry.size,
      hide: layout.hidden?.has(variable.name) === true && entry.type >= btf.startId,
    };
  });
  return entries.sort((a, b) => a.offset - b.offset);
}

/**
 * A copy of `btf.bytes` in which the names of DATASECs begin with no `?`, which kernels before 6.12 refuse (42f7ef3ec1d6
 * "bpf: allow ? in BTF section names"); the same bytes when none does.
 */
export function withPlainSectionNames(btf: Btf): Uint8Array {
  let copy: Uint8Array | undefined;
  for (let id = btf.startId; id < btf.endId; id++) {
    if (btf.kind(id) !== BtfKind.DATASEC || !btf.nameOf(id).startsWith('?')) continue;
    copy ??= new Uint8Array(btf.bytes);
    copy[btf.header.stringsOffset + btf.word(id, 0) - btf.strings.start] = 0x5f;
  }
  return copy ?? btf.bytes;
}
