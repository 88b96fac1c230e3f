export type { Feature } from './feature.js';
export { features, featuresWith, supposed, uprobeMultiOfProcess, type Features } from './features.js';
