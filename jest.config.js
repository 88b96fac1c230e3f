'use strict';

const shared = {
  rootDir: __dirname,
  testEnvironment: 'node',
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
        module: { type: 'commonjs' },
        sourceMaps: 'inline',
      },
    ],
  },
  // Sources import each other as they are published, with `.js`.
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1', '^node-ebpf$': '<rootDir>/lib/index.ts' },
  // Neither outputs nor other people's packages are searched for tests and modules.
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/build/', '<rootDir>/temp/'],
};

// scripts/coverage.mjs runs unit tests as if on another system.
const pretended = process.env.NODE_EBPF_PRETEND_SYSTEM
  ? { setupFiles: ['<rootDir>/test/helpers/pretend-system.ts'] }
  : {};

/** @type {import('jest').Config} */
module.exports = {
  // A busy machine is no failure; what hangs is ended by the tests' own patience first.
  testTimeout: 60_000,
  projects: [
    { ...shared, ...pretended, displayName: 'unit', testMatch: ['<rootDir>/test/unit/**/*.test.ts'] },
    {
      ...shared,
      displayName: 'kernel',
      testMatch: ['<rootDir>/test/kernel/**/*.test.ts'],
      // Fails a file that leaves descriptors, programs, maps or links behind; skips all of them without root.
      testEnvironment: '<rootDir>/test/helpers/kernel-environment.ts',
    },
    {
      ...shared,
      displayName: 'package',
      testMatch: ['<rootDir>/test/package/**/*.test.ts'],
      globalSetup: '<rootDir>/test/package/set-up.mjs',
    },
  ],
};
