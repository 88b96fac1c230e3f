export * from './batch.js';
export * from './channels.js';
export * from './event-reader.js';
export * from './read-options.js';
