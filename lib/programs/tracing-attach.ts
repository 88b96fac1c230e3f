import { AttachType, HelperId, ProgramType } from '../abi/index.js';
import { EbpfError, UnsupportedError, UsageError, quote } from '../errors/index.js';
import { features, supposed } from '../kernel/index.js';
import { createLink, openRawTracepoint, type Handle } from '../sys/index.js';

import { cookieFailure } from './attach-failure.js';

/**
 * Attaches a program to the kernel function that it was loaded for; one that was opened only as the class of which it was asked for.
 *
 * @throws {UnsupportedError} when the kernel cannot do it on this architecture, or has no cookies and one is given.
 */
export async function attachToFunction(
  program: Handle,
  attachType: AttachType,
  cookie: number | bigint | undefined,
  target: string,
  openedAs?: string,
): Promise<Handle> {
  try {
    if (openedAs !== undefined && cookie === undefined) return await attachAsKind(program, attachType, openedAs);
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

/**
 * Attaches a program that was opened as one of a kind. The kernel does not tell what kind it was loaded as, but from 5.19 on it
 * attaches by this call only as that.
 *
 * @throws {UsageError} when it is of another kind.
 */
async function attachAsKind(program: Handle, attachType: AttachType, kind: string): Promise<Handle> {
  try {
    return await createLink({ program, attachType });
  } catch (error) {
    if (!EbpfError.is(error) || error.errnoName !== 'EINVAL') throw error;
    const takesKinds = features.helper(ProgramType.TRACING, HelperId.get_attach_cookie);
    if (!(await supposed(takesKinds)).supported) return openRawTracepoint(program, undefined);
    const problem = `the kernel loaded it as a program of another kind than ${kind}, and refuses it as that; open it as FunctionProgram`;
    throw UsageError.invalidValue(program.describe(), problem, { cause: error });
  }
}

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
