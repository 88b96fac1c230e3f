import { existsSync } from 'node:fs';

import { EbpfError } from '../errors/index.js';

import type { FunctionChoice } from './function-choice.js';
import { FunctionList } from './function-list.js';
import { addressesOf, findKernelSymbols } from './symbol-scanner.js';
import { readLines } from './read-lines.js';
import { readText } from './read-text.js';
import { tracefsPath } from './tracefs.js';

const blacklistPath = '/sys/kernel/debug/kprobes/blacklist';

/** A weak function that a stronger one replaced, as the kernel shows it (kernel/trace/ftrace.c). */
const replaced = '__ftrace_invalid_address__';

/** Functions whose entry the kernel can trace. */
export interface TraceableFunctions {
  readonly functions: FunctionList;
  /** Where in each of them the tracer is called, or where it begins. */
  readonly places: BigUint64Array;
}

/**
 * The functions that `choice` chooses among those whose entry the kernel can trace. What the kernel keeps kprobes away from is
 * chosen by its very name only. Undefined when tracefs, which knows, is not mounted or closed to this user.
 *
 * @throws {@link PermissionError} when the kernel keeps addresses from this process.
 */
export async function traceableFunctions(
  choice: FunctionChoice,
  signal?: AbortSignal,
  tracefs: string | undefined = tracefsIfAny(),
): Promise<TraceableFunctions | undefined> {
  if (tracefs === undefined) return undefined;
  const unsafe = choice.isLoose ? blacklist() : new Set<string>();
  // Linux 6.5
  const withAddresses = `${tracefs}/available_filter_functions_addrs`;
  try {
    if (existsSync(withAddresses)) return await readTraceable(withAddresses, choice, unsafe, signal);
    return await readNames(`${tracefs}/available_filter_functions`, choice, unsafe, signal);
  } catch (error) {
    if (EbpfError.is(error) || (error as NodeJS.ErrnoException).syscall !== 'open') throw error;
    return undefined;
  }
}

async function readTraceable(
  path: string,
  choice: FunctionChoice,
  unsafe: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Promise<TraceableFunctions> {
  const functions = new FunctionList();
  let unaligned = 0;
  for await (const piece of readLines(path, signal)) {
    eachTraceable(piece.toString('latin1'), true, (name, module, address) => {
      if (!mayFollowEndbr(address)) unaligned++;
      if (!choice.takes(name, module, !unsafe.has(name), functions.length)) return;
      functions.push(copied(name), module === undefined ? module : copied(module), BigInt(`0x${address}`));
    });
  }
  const places = functions.addresses.slice();
  if (unaligned === 0 && process.arch === 'x64') beginAtMultiples(functions.addresses);
  else await beginAtSymbols(functions);
  signal?.throwIfAborted();
  return { functions, places };
}

/**
 * The tracer is called where a function begins, or behind the ENDBR there, four bytes on. Functions of x86 begin at multiples
 * of 16 (CONFIG_FUNCTION_ALIGNMENT), but for what some compilers hold to be cold: where there are such, this shows it.
 */
function mayFollowEndbr(address: string): boolean {
  const last = address.charCodeAt(address.length - 1);
  return last === 0x30 || last === 0x34;
}

function beginAtMultiples(addresses: BigUint64Array): void {
  const words = new Uint32Array(addresses.buffer, addresses.byteOffset, addresses.length * 2);
  // x86 is little-endian: the lower half comes first.
  for (let index = 0; index < words.length; index += 2) words[index] = (words[index] ?? 0) & ~0xf;
}

/** Functions begin at the last symbol of their name before the place. */
async function beginAtSymbols({ names, addresses }: FunctionList): Promise<void> {
  const wanted = new Set(names);
  const symbols = addressesOf(wanted, await findKernelSymbols(wanted));
  for (const [index, place] of addresses.entries()) {
    const before = (symbols.get(names[index] ?? '') ?? []).filter(({ address }) => address <= place);
    if (before.length > 0)
      addresses[index] = before.reduce((last, { address }) => (address > last ? address : last), 0n);
  }
}

/**
 * As {@link readTraceable} on kernels that tell names alone: addresses are those of the kernel's symbols. Where symbols share
 * a name and only some can be traced, nothing says which: none is chosen.
 */
async function readNames(
  path: string,
  choice: FunctionChoice,
  unsafe: ReadonlySet<string>,
  signal: AbortSignal | undefined,
): Promise<TraceableFunctions> {
  const counts = new Map<string, number>();
  for await (const piece of readLines(path, signal)) {
    eachTraceable(piece.toString('latin1'), false, (name, module) => {
      if (!choice.wants(name, module, !unsafe.has(name))) return;
      const known = counts.get(name);
      if (known === undefined) counts.set(copied(name), 1);
      else counts.set(name, known + 1);
    });
  }
  const functions = new FunctionList();
  const names = new Set(counts.keys());
  const symbols = names.size === 0 ? undefined : addressesOf(names, await findKernelSymbols(names));
  signal?.throwIfAborted();
  for (const [name, count] of counts) {
    const found = symbols?.get(name) ?? [];
    if (found.length !== count) continue;
    for (const { address, module } of found) {
      if (choice.takes(name, module, !unsafe.has(name), functions.length)) functions.push(name, module, address);
    }
  }
  return { functions, places: functions.addresses };
}

/**
 * The lines of `available_filter_functions_addrs` (`ffffffff81000000 name [module]`), or of the one without addresses, for which
 * the address is empty.
 */
export function eachTraceable(
  text: string,
  hasAddresses: boolean,
  take: (name: string, module: string | undefined, address: string) => void,
): void {
  let start = 0;
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
    const begin = hasAddresses ? text.indexOf(' ', start) + 1 : start;
    const bracket = text.charCodeAt(end - 1) === 0x5d ? text.indexOf(' [', begin) : -1;
    const name = text.slice(begin, bracket < 0 ? end : bracket);
    if (!name.startsWith(replaced)) {
      const address = hasAddresses ? text.slice(start, begin - 1) : '';
      take(name, bracket < 0 ? undefined : text.slice(bracket + 2, end - 1), address);
    }
    start = end + 1;
  }
}

/** A part of a text would keep the whole of it. */
function copied(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

/** Functions in which a breakpoint would be hit while one is handled. Empty when debugfs is not mounted or is closed. */
function blacklist(): ReadonlySet<string> {
  const names = new Set<string>();
  // `0xffffffff81000000-0xffffffff81000010\tname`
  for (const line of readText(blacklistPath)?.split('\n') ?? []) {
    const tab = line.lastIndexOf('\t');
    if (tab >= 0) names.add(line.slice(tab + 1));
  }
  return names;
}

function tracefsIfAny(): string | undefined {
  try {
    return tracefsPath();
  } catch (error) {
    if (EbpfError.is(error)) return undefined;
    throw error;
  }
}
