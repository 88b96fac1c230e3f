export * from './enums.generated.js';
export * from './layouts.generated.js';
