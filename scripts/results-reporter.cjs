'use strict';

// Jest reporter: leaves what scripts/test.mjs needs for its last lines in the file that NODE_EBPF_TEST_RESULTS names.
const fs = require('node:fs');
const path = require('node:path');

module.exports = class ResultsReporter {
  onRunComplete(_contexts, results) {
    const file = process.env.NODE_EBPF_TEST_RESULTS;
    if (file === undefined) return;
    const summary = { passed: results.numPassedTests, failed: results.numFailedTests, skipped: [], broken: [] };
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
    fs.writeFileSync(file, JSON.stringify(summary));
  }
};
