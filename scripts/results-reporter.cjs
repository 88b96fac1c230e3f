'use strict';

// Jest reporter: leaves what scripts/test.mjs needs for its last lines in the file that NODE_EBPF_TEST_RESULTS names. With
// NODE_EBPF_WATCH_KERNEL=1 that includes what the run left in the kernel.
const fs = require('node:fs');
const path = require('node:path');

/** How long the kernel may take to let go of what the last test closed. */
const patienceMs = 20_000;

module.exports = class ResultsReporter {
  #watch;

  async onRunStart() {
    if (process.env.NODE_EBPF_WATCH_KERNEL !== '1') return;
    require('../test/helpers/typescript-hook.cjs');
    const { KernelWatch } = require('../test/helpers/kernel-watch.ts');
    this.#watch = await KernelWatch.start();
  }

  async onTestFileResult(test) {
    await this.#watch?.after(path.relative(process.cwd(), test.path));
  }

  async onRunComplete(_contexts, results) {
    const file = process.env.NODE_EBPF_TEST_RESULTS;
    if (file === undefined) return;
    const summary = {
      passed: results.numPassedTests,
      failed: results.numFailedTests,
      skipped: [],
      broken: [],
      left: [],
    };
    for (const suite of results.testResults) {
      const name = path.relative(process.cwd(), suite.testFilePath);
      // A file that could not run, or that left something behind, has no failed test that would say so.
      if (suite.testExecError !== undefined || suite.failureMessage) {
        if (!suite.testResults.some((test) => test.status === 'failed')) summary.broken.push(name);
      }
      for (const test of suite.testResults) {
        if (test.status === 'pending' || test.status === 'todo')
          summary.skipped.push({ file: name, name: test.fullName });
      }
    }
    if (this.#watch !== undefined) summary.left = await this.#watch.left(patienceMs);
    fs.writeFileSync(file, JSON.stringify(summary));
  }
};
