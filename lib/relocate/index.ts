export * from './load-plan.js';
export { needs } from './needs.js';
export { relocate } from './relocate.js';
