import { AttachType } from '../abi/index.js';
import { EbpfError, UnsupportedError, UsageError, quote } from '../errors/index.js';
import { SocketMapLink } from '../links/index.js';
import { requireHandle, type AttachedProgram } from '../sys/index.js';

import { attachFailure } from './attach-failure.js';
import { Program } from './program.js';
import {
  attachToSocketMap,
  querySocketMap,
  socketMapTarget,
  type SocketMapAttachOptions,
  type SocketMapQueryOptions,
} from './socket-map-attach.js';

/** What a {@link SkSkb} program does for a map of sockets. */
export type SkSkbRole = 'stream_parser' | 'stream_verdict' | 'verdict';

/** Where and how {@link SkSkb.attach} attaches. */
export interface SkSkbAttachOptions extends SocketMapAttachOptions {
  /** Without it the section says: `sk_skb/stream_verdict`. */
  readonly role?: SkSkbRole | undefined;
}

/** A program of a map of sockets. */
export interface AttachedSkSkb extends AttachedProgram {
  /** What it does for the map. */
  readonly role: SkSkbRole;
}

const attachTypes: Readonly<Record<SkSkbRole, AttachType>> = {
  stream_parser: AttachType.SK_SKB_STREAM_PARSER,
  stream_verdict: AttachType.SK_SKB_STREAM_VERDICT,
  verdict: AttachType.SK_SKB_VERDICT,
};

/**
 * A program of section `sk_skb/stream_parser`, `sk_skb/stream_verdict` or `sk_skb/verdict`: it sees what the sockets of a map
 * receive. A parser finds where messages end, a verdict passes, drops or redirects them. Needs CAP_NET_ADMIN. Least kernel:
 * 4.14, `verdict` 5.13.
 *
 * @example
 * ```js
 * const sockets = ebpf.map('sockets', SockMap);
 * const link = await ebpf.program('verdict', SkSkb).attach({ map: sockets });
 * sockets.set(0, connection);
 * ```
 */
export class SkSkb extends Program {
  /**
   * Attaches to a map of sockets: the program works for those that are put into it from then on, for as long as they are in
   * it, also when it is detached meanwhile. A map has one program of each role; attaching another replaces it before Linux
   * 6.10, later it is busy.
   *
   * @throws {@link UsageError} when `map` is no map, or busy, or neither section nor `role` says what the program is;
   * {@link PermissionError}; {@link KernelError}.
   */
  override async attach(options?: SkSkbAttachOptions): Promise<SocketMapLink> {
    const signal = options?.signal;
    signal?.throwIfAborted();
    const role = this.#role(options?.role);
    const { map, words } = socketMapTarget(`sk_skb/${role}`, options);
    try {
      const made = await attachToSocketMap(this.handle, map, attachTypes[role], words);
      return await this.attached(SocketMapLink, made, words, signal);
    } catch (error) {
      if (role === 'verdict' && EbpfError.is(error) && error.errnoName === 'EINVAL') {
        const explanation = `this kernel has them with a parser only (${quote('sk_skb/stream_verdict')})`;
        throw new UnsupportedError('programs of section "sk_skb/verdict"', explanation, {
          since: '5.13',
          cause: error,
        });
      }
      throw attachFailure(error, this.name, words, ['CAP_NET_ADMIN', 'CAP_BPF']);
    }
  }

  /**
   * The programs of a map of sockets, by whomever they were attached: at most one of each role. Least kernel: 5.18.
   *
   * @throws {@link UsageError} when `map` is no map; {@link UnsupportedError}; {@link KernelError}.
   *
   * @example
   * ```js
   * for (const { role, programId } of await SkSkb.query({ map })) console.log(role, programId);
   * ```
   */
  static async query(options: SocketMapQueryOptions): Promise<readonly AttachedSkSkb[]> {
    const map = requireHandle('map', options.map, 'map');
    const found: AttachedSkSkb[] = [];
    for (const role of Object.keys(attachTypes) as SkSkbRole[]) {
      const programs = await querySocketMap(map, attachTypes[role]);
      found.push(...programs.map((program) => ({ ...program, role })));
    }
    return found;
  }

  protected override sectionObstacle(): string | undefined {
    return 'its section names no map of sockets; give attach({ map })';
  }

  #role(given: SkSkbRole | undefined): SkSkbRole {
    const roles = Object.keys(attachTypes) as SkSkbRole[];
    const role = given ?? roles.find((name) => attachTypes[name] === this.attachType);
    if (role !== undefined && roles.includes(role)) return role;
    const known = roles.map((name) => `'${name}'`).join(', ');
    throw UsageError.invalidValue(
      'role',
      given === undefined
        ? `section ${quote(this.section)} of program ${quote(this.name)} does not say which; give one of ${known}`
        : `must be one of ${known}, not ${quote(given)}`,
    );
  }
}
