import { setImmediate as nextTurn } from 'node:timers/promises';

import { AttachType } from '../abi/index.js';
import { EbpfError, UnsupportedError, UsageError } from '../errors/index.js';
import { features, supposed, type FunctionList, type KernelFunction } from '../kernel/index.js';
import { createLink, type Handle } from '../sys/index.js';

import type { FunctionTargets } from './choose-functions.js';

/** BPF_F_KPROBE_MULTI_RETURN of include/uapi/linux/bpf.h */
const returnFlag = 1;

/** A number that the program reads, or what gives one for each function. */
type Cookie = number | bigint | ((target: KernelFunction) => number | bigint);

export interface LinkToFunctions {
  readonly program: Handle;
  readonly attachType: AttachType;
  readonly targets: FunctionTargets;
  readonly cookie: Cookie | undefined;
  /** Whether it is the functions' return that counts. */
  readonly atReturn: boolean;
}

/** Attaches a program to many kernel functions at once. */
export async function linkToFunctions(options: LinkToFunctions): Promise<Handle> {
  const { program, attachType, targets, cookie, atReturn } = options;
  const { functions, places } = targets;
  // Never without: bpf_kprobe_multi_show_fdinfo of Linux 6.17 and 6.18 reads them without asking whether there are any, so that
  // the kernel panics when anybody reads /proc/<pid>/fdinfo of the link.
  const cookies = cookie === undefined ? new BigUint64Array(functions.length) : await cookiesOf(cookie, functions);
  const addresses = cookie === undefined ? places : places && functions.addresses;
  return createLink({
    ...{ program, attachType },
    fields: { 'kprobe_multi.flags': atReturn ? returnFlag : 0, 'kprobe_multi.cnt': functions.length },
    buffers: {
      ...(addresses === undefined ? {} : { 'kprobe_multi.addrs': bytesOf(addresses) }),
      'kprobe_multi.cookies': bytesOf(cookies),
    },
    strings: addresses === undefined ? { 'kprobe_multi.syms': functions.names } : {},
  });
}

/** How many cookies are asked for before the event loop gets a turn. */
const slice = 1000;

async function cookiesOf(cookie: Cookie, functions: FunctionList): Promise<BigUint64Array> {
  const cookies = new BigUint64Array(functions.length);
  if (typeof cookie !== 'function') return cookies.fill(checked(cookie));
  for (let index = 0; index < cookies.length; index++) {
    if (index % slice === slice - 1) await nextTurn();
    cookies[index] = checked(cookie(functions.at(index)));
  }
  return cookies;
}

function checked(value: number | bigint): bigint {
  if (typeof value === 'bigint' ? BigInt.asUintN(64, value) !== value : !Number.isSafeInteger(value) || value < 0) {
    throw UsageError.invalidValue('cookie', `must be an integer from 0 to 2**64 - 1, not ${String(value)}`);
  }
  return BigInt(value);
}

function bytesOf({ buffer, byteOffset, byteLength }: BigUint64Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Why the kernel would not attach a program to many functions; other errors stay as they are. */
export async function kprobeMultiFailure(error: unknown, attachType: AttachType, target: string): Promise<unknown> {
  if (!EbpfError.is(error)) return error;
  switch (error.errnoName) {
    case 'ENOTSUP':
    case 'EINVAL':
    case 'ESRCH':
    case 'ENOENT':
    case 'EADDRNOTAVAIL':
      return (await unsupported(attachType, error)) ?? notTraceable(target, error);
    default:
      return error;
  }
}

function notTraceable(target: string, cause: EbpfError): UsageError {
  return new UsageError(
    `the kernel cannot trace all of the functions of ${target}. Those that it can trace stand in available_filter_functions ` +
      'of tracefs, which must be readable for patterns to choose among them',
    { code: 'ERR_EBPF_NOT_FOUND', cause },
  );
}

async function unsupported(attachType: AttachType, cause: unknown): Promise<UnsupportedError | undefined> {
  const isSession = attachType === AttachType.TRACE_KPROBE_SESSION;
  const { supported, reason } = await supposed(isSession ? features.kprobeSession() : features.kprobeMulti());
  if (supported) return undefined;
  const [feature, since] = isSession ? ['kprobe sessions', '6.10'] : ['links to many kernel functions', '5.18'];
  return new UnsupportedError(feature, `${reason}; the kernel must be built with CONFIG_FPROBE=y`, { since, cause });
}
