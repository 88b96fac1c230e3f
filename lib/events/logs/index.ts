export * from './log-level.js';
export * from './log-record.js';
export * from './log-record-type.js';
export { logSites } from './log-site.js';
