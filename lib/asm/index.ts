export * from './code-builder.js';
export * from './disassemble.js';
export * from './helper-name.js';
export * from './instruction.js';
export * from './opcodes.js';
