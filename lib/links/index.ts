export * from './cgroup-link.js';
export * from './link.js';
export * from './perf-event-link.js';
export * from './raw-tracepoint-link.js';
export * from './struct-ops-link.js';
export * from './tracing-link.js';
