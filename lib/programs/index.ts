export * from './btf-tracepoint.js';
export * from './live-program.js';
export * from './load-programs.js';
export * from './program.js';
export * from './program-kind.js';
export * from './program-type-name.js';
export * from './raw-tracepoint.js';
export * from './tracepoint.js';
