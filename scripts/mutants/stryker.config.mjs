// What `npm run mutants` gives to Stryker: the mutants of one room of lib/ against that room's own unit tests.
import path from 'node:path';

const room = process.env.NODE_EBPF_MUTANTS_ROOM;
const files = process.env.NODE_EBPF_MUTANTS_FILES?.split(',') ?? [`lib/${room}/**/*.ts`];

/** @type {import('@stryker-mutator/api/core').PartialStrykerOptions} */
export default {
  mutate: [...files, '!lib/**/index.ts'],
  plugins: [path.join(import.meta.dirname, 'runner.mjs')],
  testRunner: 'room',
  coverageAnalysis: 'perTest',
  // Tables of the kernel's numbers, mostly, made when their module is loaded: a process of its own for each would take hours.
  ignoreStatic: true,
  concurrency: 1,
  timeoutMS: 5_000,
  incremental: true,
  incrementalFile: `temp/mutants/${room}.json`,
  tempDirName: 'temp/mutants/sandbox',
  ignorePatterns: ['temp', 'build', 'dist', 'prebuilds', 'native', 'docs', 'coverage'],
  disableTypeChecks: false,
  reporters: ['clear-text', 'progress-append-only', 'html'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false, reportScoreTable: true },
  htmlReporter: { fileName: `temp/mutants/${room}.html` },
  thresholds: { high: 90, low: 75, break: 75 },
};
