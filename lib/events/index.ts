export * from './batch.js';
export * from './channels.js';
export type { DropCounters } from './drops.js';
export * from './event-reader.js';
export * from './perf-events.js';
export * from './perf-options.js';
export * from './read-options.js';
export * from './reader-stats.js';
export * from './record-type.js';
