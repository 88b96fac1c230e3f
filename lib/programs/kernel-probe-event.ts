import { EbpfError, UsageError, escapeControl, quote } from '../errors/index.js';
import {
  ambiguousName,
  kernelFunctionNames,
  kernelFunctionsNamed,
  probeDevice,
  syscallFunction,
  usualSyscallFunction,
} from '../kernel/index.js';
import { openPerfEventAsync, type Handle } from '../sys/index.js';

import { closeOnExec } from './perf-event-attach.js';

/** A place in the kernel's code, by a function's name or by address. */
export type KernelPlace = NamedPlace | { readonly address: bigint };

interface NamedPlace {
  readonly function: string;
  /** Bytes from the function's start. */
  readonly offset: number;
  readonly module: string | undefined;
}

const shape = /^(?:([\w-]+):)?([A-Za-z_][\w.$]*)(?:\+(0x[0-9a-f]+|\d+))?$/i;

/** Reads `function`, `function+offset` or `module:function`, the offset decimal or, after `0x`, hexadecimal. */
export function parsePlace(text: unknown): NamedPlace {
  const [, module, name, offset = '0'] = (typeof text === 'string' ? shape.exec(text) : null) ?? [];
  if (name === undefined || Number(offset) > 0xffff_ffff) {
    throw UsageError.invalidValue('function', `must be 'function' or 'function+offset', not ${quote(String(text))}`);
  }
  return { function: name, offset: Number(offset), module };
}

/** An address as people read it. Throws {@link UsageError} for what cannot be one. */
export function addressText(address: bigint): string {
  if (typeof address !== 'bigint' || address <= 0n || address >= 1n << 64n) {
    throw UsageError.invalidValue('address', `must be the address of kernel code, a bigint, not ${String(address)}`);
  }
  return `0x${address.toString(16)}`;
}

/** Opens the perf event of a probe at a place of the kernel; nothing runs until a program is bound to it. */
export async function openKernelProbe(given: KernelPlace, text: string, returns: boolean): Promise<Handle> {
  const { type, returnConfig } = await probeDevice('kprobe');
  const place = 'module' in given && given.module !== undefined ? await inModule(given, given.module, text) : given;
  try {
    return await openPerfEventAsync({
      fields: { type, config: returns ? returnConfig : 0n, config2: 'address' in place ? place.address : place.offset },
      ...('address' in place ? {} : { config1Text: place.function }),
      pid: -1,
      cpu: 0,
      flags: closeOnExec,
      name: `${returns ? 'kretprobe' : 'kprobe'} ${escapeControl(text)}`,
    });
  } catch (error) {
    throw await probeFailure(error, place, text);
  }
}

/** Opens a probe at the function of a system call, whatever it is called on this processor. */
export async function openSyscallProbe(name: string, returns: boolean): Promise<Handle> {
  const open = async (symbol: string): Promise<Handle> => {
    return openKernelProbe({ function: symbol, offset: 0, module: undefined }, symbol, returns);
  };
  // The usual case needs no look at the kernel's symbols.
  const usual = usualSyscallFunction(name);
  if (usual !== undefined) {
    try {
      return await open(usual);
    } catch (error) {
      if (!EbpfError.is(error) || error.code !== 'ERR_EBPF_NOT_FOUND') throw error;
    }
  }
  return open(await syscallFunction(name));
}

/** Whether perf finds `module:function` differs from kernel to kernel (kernel/trace/trace_kprobe.c); it always takes an address. */
async function inModule(place: NamedPlace, module: string, text: string): Promise<KernelPlace> {
  const owner = module.replaceAll('-', '_');
  const found = (await kernelFunctionsNamed(place.function)).filter((one) => (one.module ?? 'vmlinux') === owner);
  const [first] = found;
  if (first === undefined) throw UsageError.notFound(`function of kernel module ${quote(module)}`, place.function, []);
  if (found.length > 1) throw ambiguousName('function', text, found);
  return { address: first.address + BigInt(place.offset) };
}

async function probeFailure(error: unknown, place: KernelPlace, text: string): Promise<unknown> {
  if (!EbpfError.is(error)) return error;
  switch (error.errnoName) {
    case 'ENOENT':
      if ('function' in place) {
        return UsageError.notFound('kernel function', place.function, await kernelFunctionNames());
      }
      return UsageError.invalidValue('address', `no kernel code is at ${quote(text)}`, { cause: error });
    case 'EADDRNOTAVAIL': {
      const found = 'function' in place ? await kernelFunctionsNamed(place.function).catch(() => []) : [];
      if (found.length > 1) return ambiguousName('function', text, found, error);
      const problem = `the kernel has several functions named ${quote(text)}, or one that cannot be probed`;
      return UsageError.invalidValue('function', problem, { cause: error });
    }
    case 'EINVAL':
    case 'EILSEQ':
      return UsageError.invalidValue(
        'function' in place ? 'function' : 'address',
        `the kernel cannot probe ${quote(text)}: the function is excluded from probing, or no instruction begins there`,
        { cause: error },
      );
    default:
      return error;
  }
}
