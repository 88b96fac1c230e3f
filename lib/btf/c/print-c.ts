import type { Btf } from '../btf.js';
import { CPrinter } from './c-printer.js';

export interface BtfToCOptions {
  /**
   * Wraps the text so that clang makes every access of its structs relocatable (CO-RE). Default true for a whole BTF,
   * false for one type.
   */
  readonly preserveAccessIndex?: boolean;
  /** The macro that keeps the text from being included twice. Default `__VMLINUX_H__` for a whole BTF, none for one type. */
  readonly includeGuard?: string;
  /** Of one type: the definition alone, without those it needs. Default false. */
  readonly alone?: boolean;
}

const quiet = `#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wgnu-variable-sized-type-not-at-end"
#pragma clang diagnostic ignored "-Wpragma-clang-attribute"
`;
const quietEnd = `#pragma clang diagnostic pop
`;
const preserve = `#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif
`;
const preserveEnd = `#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif
`;

/** One type in C, or all when `id` is undefined. */
export function printC(btf: Btf, id: number | undefined, options: BtfToCOptions): string {
  const printer = new CPrinter(btf);
  if (id === undefined) printer.printAll();
  else if (options.alone === true) printer.printAlone(id);
  else printer.print(id);
  const guard = options.includeGuard ?? (id === undefined ? '__VMLINUX_H__' : '');
  const parts = [printer.text];
  if (options.preserveAccessIndex ?? id === undefined) {
    parts.unshift(preserve);
    parts.push(preserveEnd);
  }
  if (guard !== '') {
    parts.unshift(`#ifndef ${guard}\n#define ${guard}\n`, quiet);
    parts.push(quietEnd, `#endif /* ${guard} */\n`);
  }
  return parts.join('\n');
}
