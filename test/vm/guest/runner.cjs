'use strict';

// Runs the test files named in /suite.json in this process and says how each test went, one line of JSON each.
const fs = require('node:fs');
const path = require('node:path');
const util = require('node:util');
const { setTimeout: sleep } = require('node:timers/promises');

const repository = '/node-ebpf';
const { collect, run } = require('./globals.cjs');
const { load } = require('./typescript.js');
const { heldObjects } = load(path.join(repository, 'test/helpers/held-objects.ts'));
const { KernelWatch } = load(path.join(repository, 'test/helpers/kernel-watch.ts'));

const token = process.env.VM_TOKEN ?? '';
const { files, pattern } = JSON.parse(fs.readFileSync('/suite.json', 'utf8'));
const wanted = pattern === undefined ? undefined : new RegExp(pattern, 'iu');
/** How long closing may still take after the last test of a file, and of all. */
const graceMs = 20_000;
let failed = 0;

function say(kind, value) {
  // Standard output may be the console, which is written synchronously.
  fs.writeSync(1, `@@${token} ${kind} ${JSON.stringify(value)}\n`);
}

function describeError(error) {
  const text = error instanceof Error ? (error.stack ?? `${error.name}: ${error.message}`) : util.inspect(error);
  const cause = error instanceof Error && error.cause !== undefined ? `\ncause: ${util.inspect(error.cause)}` : '';
  return `${text}${cause}`.slice(0, 8_000);
}

/** Errors that no test waited for fail the file that runs. */
const strays = [];
process.on('uncaughtException', (error) => strays.push(error));
process.on('unhandledRejection', (error) => strays.push(error));

async function leftBehind(before) {
  const deadline = Date.now() + graceMs;
  for (;;) {
    const left = [...heldObjects()].filter(([key]) => !before.has(key)).map(([, words]) => words);
    if (left.length === 0 || Date.now() >= deadline) return left;
    await sleep(20);
  }
}

function failFile(file, error) {
  failed++;
  say('test', { file, name: '(the file)', status: 'failed', milliseconds: 0, error });
}

async function runFile(file, skips) {
  const report = (result) => {
    if (result.status === 'failed') failed++;
    const error = result.error === undefined ? undefined : describeError(result.error);
    const line = { ...result, file, error };
    if (result.status === 'skipped') {
      line.reason = skips.skipReason(result.name);
      line.runnable = line.reason === undefined ? undefined : skips.whyRunnable(line.reason);
    }
    say('test', line);
  };
  const before = heldObjects();
  try {
    const accept = (name) => wanted === undefined || wanted.test(name) || wanted.test(file);
    await run(
      collect(() => load(path.join(repository, file))),
      accept,
      report,
    );
  } catch (error) {
    failFile(file, describeError(error));
  }
  const left = await leftBehind(before);
  if (left.length > 0) failFile(file, `this test file left behind, in this process:\n  ${left.join('\n  ')}`);
  for (const error of strays.splice(0)) failFile(file, `an error that no test waited for: ${describeError(error)}`);
}

async function main() {
  const skips = await import(path.join(repository, 'scripts/skips.mjs'));
  process.chdir(repository);
  const watch = await KernelWatch.start();
  for (const file of files) {
    await runFile(file, skips);
    await watch.after(file);
  }
  for (const { what, file } of await watch.left(graceMs)) failFile(file, `left in the kernel after all tests: ${what}`);
  say('done', { files: files.length, failed });
  process.exit(failed === 0 ? 0 : 1);
}

void main();
