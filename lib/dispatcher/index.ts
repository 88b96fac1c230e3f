export { openDispatched } from './dispatched-attachment.js';
export { loadDispatcher, loadTemplate } from './dispatcher-program.js';
export { dispatchedPrograms } from './run-config.js';
export type { XdpAction } from './xdp-actions.js';
export * from './xdp-dispatcher.js';
