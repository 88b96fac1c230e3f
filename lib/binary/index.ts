export * from './byte-reader.js';
export * from './byte-writer.js';
export * from './host.js';
export * from './lower-bound.js';
