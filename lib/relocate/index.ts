export * from './disassemble-program.js';
export * from './load-plan.js';
export { takesBtf } from './map-plans.js';
export { minimizeBtf } from './minimize-btf.js';
export { needs } from './needs.js';
export { isOfProgramAlone, isOptional } from './optional-programs.js';
export { refusedStruct } from './refused-struct.js';
export { refusedField, unsupportedField, type SpecialField } from './special-fields.js';
export { relocate } from './relocate.js';
