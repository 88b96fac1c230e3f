export * from './byte-reader.js';
export * from './byte-writer.js';
