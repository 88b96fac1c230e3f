import { FunctionProgram } from './function-program.js';

/**
 * A program of section `fentry/<function>`: it runs when the kernel, or another program, enters that function and sees its
 * arguments as typed values. Least kernel: 5.5; on arm64 6.4.
 *
 * @example
 * ```js
 * const link = await ebpf.program('on_open', Fentry).attach();
 * ```
 */
export class Fentry extends FunctionProgram {}
