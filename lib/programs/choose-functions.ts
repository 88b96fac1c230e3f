import { UsageError, quote } from '../errors/index.js';
import {
  FunctionChoice,
  FunctionList,
  ambiguousName,
  isExact,
  kernelFunctionNames,
  traceableFunctions,
  type KernelFunctionPattern,
} from '../kernel/index.js';

/** Kernel functions as a link takes them. */
export interface FunctionTargets {
  readonly functions: FunctionList;
  /**
   * Where the kernel traces them, which it finds sooner than by where they begin; but it finds cookies only by that. Undefined
   * when the kernel has to find the functions by name.
   */
  readonly places: BigUint64Array | undefined;
}

/** MAX_KPROBE_MULTI_CNT of kernel/trace/bpf_trace.c */
const most = 1 << 20;

/**
 * The functions that names, patterns, regular expressions and addresses stand for.
 *
 * @throws {UsageError} when one stands for none, or a name for several.
 */
export async function chooseFunctions(
  chosen: readonly (KernelFunctionPattern | bigint)[],
  signal: AbortSignal | undefined,
): Promise<FunctionTargets> {
  const patterns = chosen.filter((one) => typeof one !== 'bigint');
  const given = chosen.filter((one) => typeof one === 'bigint');
  const wrong = given.find((address) => address <= 0n || address >= 1n << 64n);
  if (wrong !== undefined) {
    throw UsageError.invalidValue('functions', `${wrong} cannot be the address of a kernel function`);
  }
  const named = patterns.length === 0 ? noFunctions() : await namedFunctions(patterns, signal);
  const targets = given.length === 0 ? named : withAddresses(named, given);
  const count = targets.functions.length;
  if (count > most) {
    throw UsageError.invalidValue('functions', `${count} functions are more than a link takes, ${most}`);
  }
  return targets;
}

function noFunctions(): FunctionTargets {
  return { functions: new FunctionList(), places: new BigUint64Array() };
}

function withAddresses({ functions, places }: FunctionTargets, given: readonly bigint[]): FunctionTargets {
  if (places === undefined) {
    throw UsageError.invalidValue(
      'functions',
      'names and addresses can be given together only where tracefs can be read, as root',
    );
  }
  const known = new Set([...functions.addresses, ...places]);
  const others = [...new Set(given)].filter((address) => !known.has(address));
  for (const address of others) functions.push('', undefined, address);
  return { functions, places: BigUint64Array.from([...places, ...others]) };
}

async function namedFunctions(
  patterns: readonly KernelFunctionPattern[],
  signal: AbortSignal | undefined,
): Promise<FunctionTargets> {
  const choice = new FunctionChoice(patterns);
  const traceable = await traceableFunctions(choice, signal);
  if (traceable === undefined) return { functions: await namedBySymbols(patterns, signal), places: undefined };
  const { ambiguous, missing } = choice;
  if (ambiguous !== undefined) {
    const found = ambiguous.found.map((index) => traceable.functions.at(index));
    throw ambiguousName('functions', ambiguous.pattern, found);
  }
  if (missing !== undefined) throw await noFunction(missing);
  return traceable;
}

/** Without tracefs: what is named exactly is for the kernel to find, patterns choose among all its functions. */
async function namedBySymbols(
  patterns: readonly KernelFunctionPattern[],
  signal: AbortSignal | undefined,
): Promise<FunctionList> {
  const exact = patterns.filter(isExact);
  const names = new Set(exact);
  const owned = exact.find((name) => name.includes(':'));
  if (owned !== undefined) {
    throw UsageError.invalidValue('functions', `${quote(owned)} can be found only where tracefs can be read, as root`);
  }
  const loose = patterns.filter((pattern) => !isExact(pattern));
  if (loose.length > 0) {
    const choice = new FunctionChoice(loose);
    for (const name of await kernelFunctionNames()) if (choice.takes(name, undefined, true, 0)) names.add(name);
    if (choice.missing !== undefined) throw await noFunction(choice.missing);
  }
  signal?.throwIfAborted();
  const functions = new FunctionList();
  for (const name of names) functions.push(name, undefined, 0n);
  return functions;
}

async function noFunction(pattern: KernelFunctionPattern): Promise<UsageError> {
  const what = 'kernel function that can be traced';
  if (!isExact(pattern)) {
    const text = pattern instanceof RegExp ? String(pattern) : quote(pattern);
    return new UsageError(`no ${what} matches ${text}`, { code: 'ERR_EBPF_NOT_FOUND' });
  }
  const names = await kernelFunctionNames();
  const name = pattern.slice(pattern.indexOf(':') + 1);
  if (!names.includes(name)) return UsageError.notFound('kernel function', name, names);
  const problem =
    name === pattern
      ? 'it is never traced, or several functions have that name'
      : 'it belongs to another module, or is never traced';
  return new UsageError(`no ${what} is named ${quote(pattern)}: ${problem}`, { code: 'ERR_EBPF_NOT_FOUND' });
}
