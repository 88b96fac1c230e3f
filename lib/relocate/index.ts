export * from './load-plan.js';
