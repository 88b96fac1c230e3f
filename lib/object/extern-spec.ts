/** A symbol that the kernel provides: a kernel function or variable (`__ksym`) or a configuration value (`__kconfig`). */
export interface ExternSpec {
  readonly name: string;
  /** Undefined when no BTF says what it is: it cannot be resolved then. */
  readonly section: '.ksyms' | '.kconfig' | undefined;
  /** May be absent from the kernel. */
  readonly weak: boolean;
  /** BTF id of its VAR or FUNC, 0 when there is none. */
  readonly typeId: number;
}
