export * from './btf.js';
export * from './btf-builder.js';
export * from './btf-ext.js';
export { BtfKind, kindName } from './btf-kind.js';
export * from './btf-type.js';
export * from './data-sections.js';
export * from './essential-name.js';
export * from './static-functions.js';
export * from './type-name.js';
