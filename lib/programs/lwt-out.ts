import { RouteProgram } from './route-program.js';

/**
 * A program of section `lwt_out`: it sees the packets that go out by the route, before the kernel looks at their size. It
 * lets one go on by returning 0 (BPF_OK), drops it by 2 (BPF_DROP). Needs CAP_NET_ADMIN. Least kernel: 4.10.
 *
 * @example
 * ```js
 * const link = await ebpf.program('count', LwtOut).attach({ destination: '10.1.0.0/16', interface: 'eth0' });
 * ```
 */
export class LwtOut extends RouteProgram {
  protected override readonly hook = 'out';
}
