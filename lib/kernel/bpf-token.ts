import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { inspect } from 'node:util';

import { EbpfError, PermissionError, UnsupportedError, UsageError, quote } from '../errors/index.js';
import { adoptDescriptor, createToken, type Handle } from '../sys/index.js';

import { featuresWith, type Features } from './features/index.js';
import { requireLinux } from './require-linux.js';
import { noteTokenPath } from './token-delegation.js';

/**
 * The right to load BTF, maps and programs without privileges, in a user namespace: what a BPF file system that is mounted for the
 * namespace delegates (`delegate_cmds`, `delegate_maps`, `delegate_progs` and `delegate_attachs` of its mount), as a container
 * manager does. Given to {@link Ebpf.load} and to `HashMap.create` and its like. Nothing is looked for in environment variables or
 * usual places: only what is given counts. Least kernel: 6.9.
 *
 * @example
 * ```js
 * const ebpf = await Ebpf.load('filter.bpf.o', { token: '/sys/fs/bpf' });
 * ```
 */
export class BpfToken {
  /**
   * What the running kernel can do, asked by the right that this token gives: {@link features} asks by the process's own. What the
   * token does not allow rejects with {@link PermissionError}, which says what is not delegated.
   */
  readonly features: Features;
  readonly #handle: Handle;

  private constructor(handle: Handle) {
    this.#handle = handle;
    this.features = featuresWith(() => this.handle);
  }

  /**
   * Creates a token of the BPF file system that is mounted at `path`. For several loads; {@link Ebpf.load} makes one itself of a
   * path.
   *
   * @throws {@link UsageError} when no BPF file system is mounted there; {@link PermissionError} when it delegates nothing, or
   * belongs to another user namespace than this process's; {@link UnsupportedError} before Linux 6.9 and outside of a user
   * namespace.
   */
  static async create(path: string): Promise<BpfToken> {
    requireLinux();
    const root = openRoot(path);
    try {
      const handle = await createToken(root);
      noteTokenPath(handle, path);
      return new BpfToken(handle);
    } catch (error) {
      throw tokenFailure(error, path);
    } finally {
      root.close();
    }
  }

  /** True after {@link close}. */
  get closed(): boolean {
    return this.#handle.closed;
  }

  /** @internal */
  get handle(): Handle {
    if (this.closed) throw UsageError.closed('the BPF token');
    return this.#handle;
  }

  /** Lets go of the token; what was loaded with it stays loaded. May be called again. */
  close(): void {
    this.#handle.close();
  }

  /** {@link close} at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** Does `work` with a token; one that is made for it of a path is closed again. @internal */
export async function withToken<Value>(
  given: string | BpfToken,
  work: (token: Handle) => Promise<Value>,
): Promise<Value> {
  if (given instanceof BpfToken) return work(given.handle);
  using token = await BpfToken.create(given);
  return await work(token.handle);
}

function openRoot(path: unknown): Handle {
  if (typeof path !== 'string') {
    const problem = `must be the path of a BPF file system or a BpfToken, not ${inspect(path, { depth: 0 })}`;
    throw UsageError.invalidValue('token', problem);
  }
  let descriptor;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (cause) {
    throw UsageError.invalidValue('token', (cause as Error).message, { cause });
  }
  try {
    return adoptDescriptor(descriptor, quote(path));
  } finally {
    closeSync(descriptor);
  }
}

/** What `bpf_token_create` of kernel/bpf/token.c answers. */
function tokenFailure(error: unknown, path: string): unknown {
  if (!EbpfError.is(error)) return error;
  const what = 'BPF tokens';
  switch (error.errnoName) {
    case 'EINVAL':
      if (isBpfFileSystem(path))
        return new UnsupportedError(what, 'this kernel has none', { since: '6.9', cause: error });
      return UsageError.invalidValue('token', `${quote(path)} is not where a BPF file system is mounted`, {
        cause: error,
      });
    case 'ENOTSUP':
      return new UnsupportedError(what, 'they are for user namespaces, and this process is in none', { cause: error });
    case 'ENOENT':
      return refused(
        path,
        error,
        'it delegates nothing: its mount needs delegate_cmds, delegate_maps, delegate_progs or the like',
      );
    case 'EPERM':
      return refused(path, error, 'it belongs to another user namespace, or CAP_BPF is missing in this one');
    default:
      return error;
  }
}

function refused(path: string, cause: EbpfError, obstacle: string): PermissionError {
  return new PermissionError(`cannot create a BPF token of ${quote(path)}: ${obstacle}`, [obstacle], { cause });
}

function isBpfFileSystem(path: string): boolean {
  try {
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
    const words = mounts.map((line) => line.split(' '));
    return words.some(([, place, type]) => type === 'bpf' && place === path.replace(/(?<=.)\/+$/, ''));
  } catch {
    return false;
  }
}
