import { FunctionProgram } from './function-program.js';

/**
 * A program of section `fmod_ret/<function>`: it runs before that kernel function, which is skipped and gives what the program
 * returned, unless that is 0. Only of functions whose errors the kernel lets programs inject, system calls among them, and of
 * security hooks. Least kernel: 5.7; on arm64 6.4.
 *
 * @example
 * ```js
 * const link = await ebpf.program('fail', FmodRet).attach();
 * ```
 */
export class FmodRet extends FunctionProgram {}
