import type { AttachType } from '../abi/index.js';
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
    return await createLink({ program, attachType, fields: { 'tracing.cookie': cookie } });
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
