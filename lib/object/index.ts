export * from './extern-spec.js';
export * from './function-spec.js';
export * from './map-spec.js';
export * from './program-flag.js';
export * from './program-spec.js';
export * from './reference.js';
export * from './section-table.js';
