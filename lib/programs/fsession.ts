import { FunctionProgram } from './function-program.js';

/**
 * A program of section `fsession/<function>`: one program that runs when that function is entered and when it returns, told apart
 * by `bpf_session_is_return`, with a number of its own in between (`bpf_session_cookie`). Least kernel: 7.0, on x86-64 first.
 *
 * @example
 * ```js
 * const link = await ebpf.program('around_open', Fsession).attach();
 * ```
 */
export class Fsession extends FunctionProgram {}
