export type { Feature } from './feature.js';
export { features, uprobeMultiOfProcess, type Features } from './features.js';
