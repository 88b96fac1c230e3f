import { RouteProgram } from './route-program.js';

/**
 * A program of section `lwt_seg6local`: the end of a segment of IPv6 segment routing (action `End.BPF`). It sees the packets whose
 * segment list names the route's destination as the next segment. It lets one go on by returning 0 (BPF_OK), drops it by 2
 * (BPF_DROP), or has it go where the program has said by 7 (BPF_REDIRECT). Needs CAP_NET_ADMIN. Least kernel: 4.18.
 *
 * @example
 * ```js
 * const link = await ebpf.program('end', LwtSeg6local).attach({ destination: 'fc00::1', interface: 'eth0' });
 * ```
 */
export class LwtSeg6local extends RouteProgram {
  protected override readonly hook = 'seg6local';
}
