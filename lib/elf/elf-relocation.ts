/** One relocation, of SHT_REL or SHT_RELA. */
export interface ElfRelocation {
  /** In a relocatable file, the offset in the section that is relocated. */
  readonly offset: number;
  readonly symbolIndex: number;
  /** The machine's own number. */
  readonly type: number;
  /** From SHT_RELA; undefined for SHT_REL, where the addend stands in the relocated bytes. */
  readonly addend: number | undefined;
}
