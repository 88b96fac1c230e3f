import type { Reference } from './reference.js';

/** Source lines of a function, one row per change of line, ascending. The columns have equal lengths. */
export interface LineTable {
  /** Byte offset, in the function, of the first instruction of the line. */
  readonly offsets: Uint32Array;
  /** BTF string offset of the file's name. */
  readonly fileNames: Uint32Array;
  /** BTF string offset of the line's text. */
  readonly texts: Uint32Array;
  /** Line number << 10 | column, as `struct bpf_line_info` has it. */
  readonly lineColumns: Uint32Array;
}

/** CO-RE relocations of a function, ascending by offset. The columns have equal lengths. */
export interface CoreRelocationTable {
  /** Byte offset, in the function, of the instruction to patch. */
  readonly offsets: Uint32Array;
  /** BTF id of the root type in the object's BTF. */
  readonly typeIds: Uint32Array;
  /** BTF string offset of the access: `0:1:2`. */
  readonly accessStrings: Uint32Array;
  /** `enum bpf_core_relo_kind` */
  readonly kinds: Uint32Array;
}

/** One function of the object: packed code, never written, with side tables sorted by offset. Never edited. */
export interface FunctionSpec {
  /** Its key in `ObjectSpec.functions`: the name, with section and offset added when two functions have that name. */
  readonly key: string;
  readonly name: string;
  /** The ELF section it stands in. */
  readonly section: string;
  /** In bytes, from the start of the section. */
  readonly sectionOffset: number;
  readonly linkage: 'static' | 'global' | 'weak';
  /** STV_HIDDEN or STV_INTERNAL: the verifier checks it per call, as a static function. */
  readonly hidden: boolean;
  /** A view of eight-byte instructions in the object's byte order. Never written: copy it before patching. */
  readonly code: Uint8Array;
  readonly littleEndian: boolean;
  /** Ascending by offset; at most one per instruction. */
  readonly references: readonly Reference[];
  /** BTF id of its FUNC, 0 when unknown. */
  readonly btfTypeId: number;
  readonly lines: LineTable;
  readonly coreRelocations: CoreRelocationTable;
}
