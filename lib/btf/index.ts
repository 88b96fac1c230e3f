export * from './btf.js';
export { BtfKind, kindName } from './btf-kind.js';
export * from './btf-type.js';
export * from './essential-name.js';
