/** One section header with its bytes. */
export interface ElfSection {
  readonly index: number;
  readonly name: string;
  /** One of `SectionType`, or a number of the machine's or the vendor's. */
  readonly type: number;
  /** `SectionFlag` bits; the low 32, no higher one is defined. */
  readonly flags: number;
  /** Where the bytes begin in the file. */
  readonly offset: number;
  /** In bytes; for NOBITS the size in memory. */
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly entrySize: number;
  readonly alignment: number;
  /** A view of the file's bytes; empty for NOBITS. */
  readonly bytes: Uint8Array;
}
