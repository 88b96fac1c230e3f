import { inspect } from 'node:util';

import { ipOctets } from '../codec/index.js';
import { EbpfError, UsageError, escapeControl } from '../errors/index.js';
import { withInterface, type InterfaceTarget } from '../kernel/index.js';
import { RouteLink } from '../links/index.js';
import {
  duplicateHandle,
  removeRoute,
  setRoute,
  type Handle,
  type Route,
  type RouteHook,
  type RouteProgram as ProgramOfRoute,
} from '../sys/index.js';

import { attachFailure } from './attach-failure.js';
import { interfaceTarget, type InterfaceOptions } from './interface-target.js';
import { Program, type AttachmentWithoutLink, type AttachOptions } from './program.js';
import type { ContextInput, SkBuffContext } from './run-contexts.js';
import { runTest, type TestRunOptions, type TestRunResult } from './test-run.js';

/** The route that {@link RouteProgram.attach} makes. */
export interface RouteAttachOptions extends AttachOptions, InterfaceOptions {
  /** The network or address that the route leads to: `'10.1.0.0/16'`, `'2001:db8::1'`. */
  readonly destination: string;
  /** The next hop's address. Default: the destination is reached directly. */
  readonly via?: string | undefined;
  /** To others, or to this machine itself. Default: `'unicast'`. */
  readonly type?: 'unicast' | 'local' | undefined;
  /** The routing table's number. Default: 254, the main one, or 255 for local routes. */
  readonly table?: number | undefined;
  /** Of routes with the same destination the lowest is taken. Default: the kernel's choice. */
  readonly priority?: number | undefined;
  /** {@link LwtXmit}: bytes to leave free for headers that the program puts in front, at most 256. */
  readonly headroom?: number | undefined;
}

/** RT_TABLE_MAIN and RT_TABLE_LOCAL of include/uapi/linux/rtnetlink.h. */
const defaultTables = { unicast: 254, local: 255 } as const;

/** LWT_BPF_MAX_HEADROOM of include/uapi/linux/lwtunnel.h. */
const mostHeadroom = 256;

/** What the programs of routes have in common: {@link LwtIn}, {@link LwtOut}, {@link LwtXmit} and {@link LwtSeg6local}. */
export abstract class RouteProgram extends Program {
  /** @internal */
  protected abstract readonly hook: RouteHook;

  /**
   * Makes a route whose packets pass this program. It is the program's own: closing the link removes it.
   *
   * @throws {@link UsageError} when there is no such interface, with the nearest names, or the destination is none;
   * `ERR_EBPF_BUSY` when there is such a route already; {@link PermissionError}; {@link KernelError}, such as EOPNOTSUPP on a
   * kernel that was built without programs of routes.
   */
  override async attach(options?: RouteAttachOptions): Promise<RouteLink> {
    const { signal, headroom } = options ?? {};
    signal?.throwIfAborted();
    const target = interfaceTarget(`route ${escapeControl(String(options?.destination))} at`, options);
    if (headroom !== undefined && this.hook !== 'xmit') {
      throw UsageError.invalidValue('headroom', 'is of programs in section "lwt_xmit"');
    }
    const { words, ...where } = target;
    const wanted = routeOf({ ...options, ...where, destination: options?.destination ?? '' });
    const program = {
      hook: this.hook,
      program: this.handle,
      headroom: requireNumber('headroom', headroom, mostHeadroom),
    };
    try {
      return await withInterface(where.interface, where.netns, async (found) =>
        this.attached(
          RouteLink,
          await makeRoute({ ...wanted, interfaceIndex: found.index }, program, found, words),
          words,
          signal,
        ),
      );
    } catch (error) {
      if (EbpfError.is(error) && error.errnoName === 'EEXIST') {
        throw UsageError.busy(words, 'there is such a route already; give another priority or table');
      }
      throw attachFailure(error, this.name, words, ['CAP_NET_ADMIN', 'CAP_BPF']);
    }
  }

  /**
   * As {@link Program.testRun}, with members of `struct __sk_buff` as the context, both ways.
   *
   * @example
   * ```js
   * const { context } = await program.testRun({ data: packet, context: { mark: 7 } });
   * console.log(context.mark);
   * ```
   */
  override async testRun(
    options: TestRunOptions<ContextInput<SkBuffContext>> = {},
  ): Promise<TestRunResult<SkBuffContext>> {
    return runTest<SkBuffContext>(this.handle, this.type, options);
  }

  protected override sectionObstacle(): string | undefined {
    return "its section names no route; give attach({ destination: '10.1.0.0/16', interface: 'name' })";
  }
}

async function makeRoute(
  route: Route,
  program: ProgramOfRoute,
  { networkNamespace }: InterfaceTarget,
  words: string,
): Promise<AttachmentWithoutLink & { replace: (program: Handle, expected: Handle | undefined) => Promise<void> }> {
  await setRoute(route, program, { replace: false, networkNamespace });
  // The route is to be found again when the namespace's file is gone.
  const space = networkNamespace === undefined ? undefined : duplicateHandle(networkNamespace);
  return {
    withoutLink: { feature: 'links of routes', explanation: `the program was attached to ${words} without one` },
    survivesProcess: true,
    detach: async () => {
      try {
        await removeRoute(route, space);
      } catch (error) {
        // Somebody else removed it, or its interface.
        if (!EbpfError.is(error) || !['ESRCH', 'ENODEV'].includes(error.errnoName ?? '')) throw error;
      } finally {
        space?.close();
      }
    },
    replace: async (newer, expected) => {
      if (expected !== undefined) throw UsageError.invalidValue('expected', 'routes are replaced whatever they run');
      await setRoute(route, { ...program, program: newer }, { replace: true, networkNamespace: space });
    },
  };
}

function routeOf({
  destination,
  via,
  type = 'unicast',
  table,
  priority,
}: RouteAttachOptions): Omit<Route, 'interfaceIndex'> {
  if (!Object.hasOwn(defaultTables, type)) {
    throw UsageError.invalidValue('type', `must be 'unicast' or 'local', not ${inspect(type)}`);
  }
  const [, text = '', length] = /^([^/]*)(?:\/(\d{1,3}))?$/u.exec(destination) ?? [];
  const octets = ipOctets(text);
  const most = (octets?.length ?? 0) * 8;
  const prefixLength = length === undefined ? most : Number(length);
  if (octets === undefined || prefixLength > most) {
    const problem = `must be a network or address such as '10.1.0.0/16', not ${inspect(destination)}`;
    throw UsageError.invalidValue('destination', problem);
  }
  const gateway = via === undefined ? undefined : ipOctets(via);
  if (via !== undefined && gateway?.length !== octets.length) {
    throw UsageError.invalidValue('via', `must be an address of the destination's kind, not ${inspect(via)}`);
  }
  return {
    address: Uint8Array.from(octets),
    prefixLength,
    type,
    gateway: gateway === undefined ? undefined : Uint8Array.from(gateway),
    table: requireNumber('table', table) ?? defaultTables[type],
    priority: requireNumber('priority', priority) ?? 0,
  };
}

function requireNumber(path: string, value: number | undefined, most = 0xffff_ffff): number | undefined {
  if (value === undefined || (Number.isInteger(value) && value >= 0 && value <= most)) return value;
  throw UsageError.invalidValue(path, `must be a whole number from 0 to ${most}, not ${inspect(value)}`);
}
