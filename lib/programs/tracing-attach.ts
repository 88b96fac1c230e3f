import { AttachType } from '../abi/index.js';
import { EbpfError, UnsupportedError, quote } from '../errors/index.js';
import { createLink, openRawTracepoint, type Handle } from '../sys/index.js';

import { cookieFailure } from './attach-failure.js';

/**
 * Attaches a program to the kernel function that it was loaded for.
 *
 * @throws {UnsupportedError} when the kernel cannot do it on this architecture, or has no cookies and one is given.
 */
export async function attachToFunction(
  program: Handle,
  attachType: AttachType,
  cookie: number | bigint | undefined,
  target: string,
): Promise<Handle> {
  try {
    // What every kernel with such programs has; only the newer call takes cookies.
    if (cookie === undefined) return await openRawTracepoint(program, undefined);
    return await linkWithCookie(program, attachType, cookie);
  } catch (error) {
    if (!EbpfError.is(error)) throw error;
    if (error.errnoName === 'ENOTSUPP') {
      throw new UnsupportedError(
        'attaching to kernel functions by BTF',
        `this kernel cannot do it on ${process.arch}, so ${quote(target)} is out of reach; a kprobe may do`,
        { cause: error },
      );
    }
    throw cookieFailure(error, cookie, target, '5.19');
  }
}

const ofFunctions = [
  AttachType.TRACE_FENTRY,
  AttachType.TRACE_FEXIT,
  AttachType.MODIFY_RETURN,
  AttachType.TRACE_FSESSION,
] as const;

/** A program that was opened may be for any of them: the kernel refuses all but the one it was loaded for. */
async function linkWithCookie(program: Handle, attachType: AttachType, cookie: number | bigint): Promise<Handle> {
  let refusal: unknown;
  for (const candidate of attachType === 0 ? ofFunctions : [attachType]) {
    try {
      return await createLink({ program, attachType: candidate, fields: { 'tracing.cookie': cookie } });
    } catch (error) {
      if (!EbpfError.is(error) || error.errnoName !== 'EINVAL') throw error;
      refusal = error;
    }
  }
  throw refusal;
}
