export type { CompileCache } from './make-compile-cache.js';
export { makeCompileCache, removeCompileCache } from './make-compile-cache.js';
