import { RouteProgram } from './route-program.js';

/**
 * A program of section `lwt_in`: it sees the packets that come in, after the kernel has found the route for them. It
 * lets one go on by returning 0 (BPF_OK), drops it by 2 (BPF_DROP). Needs CAP_NET_ADMIN. Least kernel: 4.10.
 *
 * @example
 * ```js
 * const link = await ebpf.program('count', LwtIn).attach({ destination: '10.1.0.0/16', interface: 'eth0' });
 * ```
 */
export class LwtIn extends RouteProgram {
  protected override readonly hook = 'in';
}
