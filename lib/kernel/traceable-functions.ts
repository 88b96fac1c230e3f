import { existsSync } from 'node:fs';

import { hostIsLittleEndian } from '../binary/index.js';
import { EbpfError } from '../errors/index.js';

import type { FunctionChoice } from './function-choice.js';
import { FunctionList, type KernelFunction } from './function-list.js';
import { addressesOf, findKernelSymbols } from './symbol-scanner.js';
import { readLines } from './read-lines.js';
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
  const unsafe = choice.isLoose ? await blacklist(signal) : new Set<string>();
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
  const [names, modules, addresses] = [[] as string[], new Map<number, string>(), [] as string[]];
  const expression = lineExpression(choice, true);
  let hasUnaligned = false;
  for await (const piece of readLines(path, signal)) {
    const text = piece.toString('latin1');
    hasUnaligned ||= unaligned.test(text);
    for (const line of text.match(expression) ?? []) {
      const space = line.indexOf(' ');
      const { name, module } = functionOf(line, space + 1);
      const index = names.length;
      if (!choice.takesFitting(name, module, !unsafe.has(name), index)) continue;
      names.push(name);
      addresses.push(line.slice(0, space).padStart(16, '0'));
      if (module !== undefined) modules.set(index, module);
    }
  }
  const places = numbersOf(addresses);
  const functions = new FunctionList(onTheirOwn(names), modules, places.slice());
  if (!hasUnaligned && process.arch === 'x64') beginAtMultiples(functions.addresses);
  else await beginAtSymbols(functions);
  signal?.throwIfAborted();
  return { functions, places };
}

/**
 * The tracer is called where a function begins, or behind the ENDBR there, four bytes on. Functions of x86 begin at multiples
 * of 16 (CONFIG_FUNCTION_ALIGNMENT), but for what some compilers hold to be cold: where there are such, this shows it.
 */
const unaligned = /[1-35-9a-f] [^[]/;

/** What sixteen hexadecimal digits each stand for. */
function numbersOf(texts: readonly string[]): BigUint64Array {
  const bytes = new Uint8Array(texts.length * 8);
  const written = Buffer.from(bytes.buffer);
  written.write(texts.join(''), 'hex');
  if (hostIsLittleEndian) written.swap64();
  return new BigUint64Array(bytes.buffer);
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
  const expression = lineExpression(choice, false);
  for await (const piece of readLines(path, signal)) {
    for (const line of piece.toString('latin1').match(expression) ?? []) {
      const { name, module } = functionOf(line, 0);
      if (!choice.wants(name, module, !unsafe.has(name))) continue;
      const known = counts.get(name);
      if (known === undefined) counts.set(copied(name), 1);
      else counts.set(name, known + 1);
    }
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
 * Finds the lines of `available_filter_functions_addrs` (`ffffffff81000000 name [module]`), or of the list without addresses, in
 * which `choice` may choose the function. JavaScript that runs for each of tens of thousands of lines would have passed them
 * before it is compiled: a regular expression passes over those of no interest.
 */
function lineExpression(choice: FunctionChoice, hasAddresses: boolean): RegExp {
  const address = hasAddresses ? '[0-9a-f]+ ' : '';
  return new RegExp(`^${address}(?!${replaced})${choice.nameSource(1)}(?: \\[.+\\])?$`, 'gm');
}

/** The name that begins at `start` of a line, and the module behind it. */
function functionOf(line: string, start: number): Pick<KernelFunction, 'name' | 'module'> {
  if (!line.endsWith(']')) return { name: line.slice(start), module: undefined };
  const bracket = line.lastIndexOf(' [');
  return { name: line.slice(start, bracket), module: copied(line.slice(bracket + 2, -1)) };
}

/** As {@link copied}, of many: parts of one text that has nothing else. None of them has a line's end. */
function onTheirOwn(texts: readonly string[]): string[] {
  return texts.length === 0 ? [] : copied(texts.join('\n')).split('\n');
}

/** A part of a text would keep the whole of it. */
function copied(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

/** Functions in which a breakpoint would be hit while one is handled. Empty when debugfs is not mounted or is closed. */
async function blacklist(signal: AbortSignal | undefined): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  try {
    for await (const piece of readLines(blacklistPath, signal)) {
      // `0xffffffff81000000-0xffffffff81000010\tname`
      for (const [name] of piece.toString('latin1').matchAll(/(?<=\t).+$/gm)) names.add(name);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall !== 'open') throw error;
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
