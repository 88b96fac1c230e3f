import { closeSync, openSync, readSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { PermissionError, UnsupportedError, quote } from '../errors/index.js';
import type { KernelSymbol } from '../relocate/index.js';

import { readText } from './read-text.js';

export const symbolsPath = '/proc/kallsyms';
const restriction = '/proc/sys/kernel/kptr_restrict';

/** How long to read before the event loop gets a turn. */
const sliceMs = 3;
/** The kernel hands out a page or two per call, whatever is asked for. */
const chunkSize = 65_536;

/** What stands between a symbol's name and the hash that LTO of clang adds to that of a static one. */
const cloneMark = '.llvm.';

/** Picks wanted symbols out of the text of /proc/kallsyms, which comes in pieces. */
export class SymbolScanner {
  /** Those found, by the name that was wanted. */
  readonly found: Map<string, KernelSymbol[]> = new Map();
  /** Whether every address read so far is zero: they are kept from this process. */
  addressesHidden = true;
  readonly #wanted: ReadonlySet<string>;
  #rest = '';

  constructor(wanted: ReadonlySet<string>) {
    this.#wanted = wanted;
  }

  /** Takes the next piece of the text, which need not end with a line. */
  push(piece: string): void {
    const text = this.#rest + piece;
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      this.#line(text, start, end);
      start = end + 1;
    }
    this.#rest = text.slice(start);
  }

  /** `ffffffff81000000 T name`, and for a module's symbol `\t[module]` behind it. */
  #line(text: string, start: number, end: number): void {
    const space = text.indexOf(' ', start);
    if (space < 0 || space > end) return;
    if (this.addressesHidden) this.addressesHidden = /^0+$/.test(text.slice(start, space));
    const tab = text.indexOf('\t', space);
    const full = text.slice(space + 3, tab >= 0 && tab < end ? tab : end);
    const mark = full.indexOf(cloneMark);
    const name = mark < 0 ? full : full.slice(0, mark);
    const wanted = this.#wanted.has(full) ? full : this.#wanted.has(name) ? name : undefined;
    if (wanted === undefined) return;
    const module = /\t\[(.+)\]$/.exec(text.slice(space, end))?.[1];
    const symbol = { address: BigInt(`0x${text.slice(start, space)}`), module };
    const known = this.found.get(wanted);
    if (known === undefined) this.found.set(wanted, [symbol]);
    else known.push(symbol);
  }
}

/**
 * Where the kernel has symbols of these names, its modules included. Reads some megabytes, in slices between which the
 * event loop runs.
 *
 * @throws {@link UnsupportedError} when the kernel does not tell its symbols.
 */
export async function findKernelSymbols(wanted: ReadonlySet<string>): Promise<SymbolScanner> {
  const scanner = new SymbolScanner(wanted);
  let descriptor: number;
  try {
    descriptor = openSync(symbolsPath, 'r');
  } catch (cause) {
    throw noKallsyms(cause);
  }
  try {
    const chunk = Buffer.alloc(chunkSize);
    let sliceStart = performance.now();
    for (;;) {
      const count = readSync(descriptor, chunk, 0, chunkSize, null);
      if (count === 0) return scanner;
      scanner.push(chunk.toString('latin1', 0, count));
      if (performance.now() - sliceStart > sliceMs) {
        await nextTurn();
        sliceStart = performance.now();
      }
    }
  } finally {
    closeSync(descriptor);
  }
}

/**
 * The symbols that were found, with the addresses of those that are wanted.
 *
 * @throws {@link PermissionError} when the kernel keeps them from this process and has one that is asked for.
 */
export function addressesOf(
  wanted: ReadonlySet<string>,
  scanned: SymbolScanner,
  facts: { readonly kptrRestrict: string | undefined } = { kptrRestrict: readText(restriction) },
): ReadonlyMap<string, readonly KernelSymbol[]> {
  const { found, addressesHidden } = scanned;
  const first = [...found.keys()].find((name) => wanted.has(name));
  if (first === undefined || !addressesHidden) return found;
  throw hiddenAddresses(`read the address of kernel symbol ${quote(first)}`, facts);
}

/** That there are no symbols to read. */
export function noKallsyms(cause: unknown): UnsupportedError {
  const problem = `${symbolsPath} cannot be read: the kernel needs CONFIG_KALLSYMS=y, and proc must be mounted`;
  return new UnsupportedError("the kernel's symbols", problem, { cause });
}

/** Why all addresses are zero, where that is in the way. `what` was to be done. */
export function hiddenAddresses(
  what: string,
  facts: { readonly kptrRestrict: string | undefined } = { kptrRestrict: readText(restriction) },
): PermissionError {
  const level = facts.kptrRestrict?.trim();
  const obstacle = `kptr_restrict is ${level ?? 'unknown'}${level === '2' ? '' : ' and CAP_SYSLOG is missing'}`;
  // kallsyms_show_value of kernel/kallsyms.c
  const advice =
    level === '2'
      ? 'Nobody sees addresses then, root included: sysctl kernel.kptr_restrict=1'
      : 'Run as root, or give the process CAP_SYSLOG (systemd: AmbientCapabilities=, container: --cap-add)';
  return new PermissionError(
    `cannot ${what}: all addresses in ${symbolsPath} are zero, since ${obstacle}. ${advice}`,
    [obstacle],
    {},
  );
}
