export * from './elf-constants.js';
export * from './elf-file.js';
export * from './elf-relocation.js';
export * from './elf-section.js';
export * from './elf-symbol.js';
export * from './elf-writer.js';
