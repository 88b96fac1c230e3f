export * from './debug-file.js';
export * from './file-source.js';
export * from './find-function.js';
export * from './process-maps.js';
export * from './program-file.js';
export * from './user-place.js';
export * from './user-target.js';
