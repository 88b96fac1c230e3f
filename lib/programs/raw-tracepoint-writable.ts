import { RawTracepoint } from './raw-tracepoint.js';

/**
 * A program of section `raw_tp.w/<name>` (or `raw_tracepoint.w/<name>`): as {@link RawTracepoint}, and it may write what the
 * tracepoint's first argument points to, of the few tracepoints that offer it, such as `nbd_send_request`. Least kernel: 5.2.
 *
 * @example
 * ```js
 * const link = await ebpf.program('change', RawTracepointWritable).attach();
 * ```
 */
export class RawTracepointWritable extends RawTracepoint {}
