import { RouteProgram } from './route-program.js';

/**
 * A program of section `lwt_xmit`: it sees the packets that leave by the route for the next hop, and may put headers in front of them or send them elsewhere. It
 * lets one go on by returning 0 (BPF_OK), drops it by 2 (BPF_DROP). Needs CAP_NET_ADMIN. Least kernel: 4.10.
 *
 * @example
 * ```js
 * const link = await ebpf.program('count', LwtXmit).attach({ destination: '10.1.0.0/16', interface: 'eth0' });
 * ```
 */
export class LwtXmit extends RouteProgram {
  protected override readonly hook = 'xmit';
}
