import { constants } from 'node:os';

import { EbpfError, UnsupportedError, UsageError, quote } from '../errors/index.js';
import { explainPermission, type Capability } from '../kernel/index.js';

/** Turns EPERM and EACCES of an attach into what stands in the way; other errors stay as they are. */
export function attachFailure(
  error: unknown,
  program: string,
  target: string,
  capabilities: readonly Capability[],
  perf = false,
): unknown {
  if (!EbpfError.is(error) || (error.errnoName !== 'EPERM' && error.errnoName !== 'EACCES')) return error;
  if (error.code === 'ERR_EBPF_PERMISSION') return error;
  return explainPermission(error, { what: `attach program ${quote(program)} to ${target}`, capabilities, perf });
}

/** EINVAL of an attach with a cookie, from a kernel that does not know that member of the call; other errors stay as they are. */
export function cookieFailure(
  error: unknown,
  cookie: number | bigint | undefined,
  target: string,
  since: string,
): unknown {
  if (cookie === undefined || !EbpfError.is(error) || error.errnoName !== 'EINVAL') return error;
  return new UnsupportedError('attach cookies', `this kernel takes none at ${quote(target)}`, { since, cause: error });
}

/** ESTALE of an attach to programs that have changed since `expectedRevision`; other errors stay as they are. */
export function revisionFailure(error: unknown, target: string, query: string): unknown {
  // Node has no name for it.
  if (!EbpfError.is(error) || error.errno !== -constants.errno.ESTALE) return error;
  return UsageError.busy(target, `programs were attached or detached since that revision; ask again with ${query}`);
}
