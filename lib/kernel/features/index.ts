export type { Feature } from './feature.js';
export { features, type Features } from './features.js';
