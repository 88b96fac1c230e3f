import { FunctionProgram } from './function-program.js';

/**
 * A program of section `fexit/<function>`: it runs when that function of the kernel, or of another program, returns and sees its
 * arguments and result as typed values. Least kernel: 5.5; on arm64 6.4.
 *
 * @example
 * ```js
 * const link = await ebpf.program('on_opened', Fexit).attach();
 * ```
 */
export class Fexit extends FunctionProgram {}
