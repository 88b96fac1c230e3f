export * from './explain-permission.js';
export * from './gather-facts.js';
export * from './kernel-btf.js';
export * from './kernel-knows.js';
export * from './page-size.js';
export * from './possible-cpus.js';
export * from './tracefs.js';
