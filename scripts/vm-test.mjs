// `npm run test:vm`: the kernel suite inside VMs with Debian's kernels, several at a time.
//
//   npm run test:vm -- --kernel 5.10,6.1    some kernels; --arch x64 some architectures
//   npm run test:vm -- --test 'ring'        tests and files whose name matches
//   npm run test:vm -- --whole             all files on every x64 kernel, not only on the oldest and the newest: an hour
//   npm run test:vm -- --self-test          only that panics, hangs and the like are reported; part of a run of everything
//   npm run test:vm -- --timeout 900        seconds that a VM may take; --jobs 1 one VM at a time; --verbose each test
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { addonFor } from './prebuild.mjs';
import { SetupError, main, say } from './setup.mjs';
import { neverInVms } from './skips.mjs';
import { kernelTests } from '../test/vm/image.mjs';
import { fetchKernels, fetchTools } from '../test/vm/fetch.mjs';
import { fetchUserSpace } from '../test/vm/user-space.mjs';
import { fetchXdpTools } from '../test/vm/xdp-tools.mjs';
import { checkKernelsPage } from '../test/vm/kernels-page.mjs';
import { machineName, selectMachines } from '../test/vm/machines.mjs';
import { runSuite } from '../test/vm/run-suite.mjs';
import { selfTest } from '../test/vm/self-test.mjs';

const consoleLines = 40;

function options(args) {
  try {
    return parseArgs({
      args,
      options: {
        kernel: { type: 'string' },
        arch: { type: 'string' },
        test: { type: 'string' },
        timeout: { type: 'string', default: '900' },
        jobs: { type: 'string', default: String(os.availableParallelism()) },
        verbose: { type: 'boolean', default: false },
        whole: { type: 'boolean', default: false },
        'self-test': { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new SetupError(
      `${error.message}\nusage: npm run test:vm -- [--kernel 6.1,…] [--arch x64,…] [--test pattern] [--timeout seconds]`,
    );
  }
}

async function inParallel(items, jobs, work) {
  const queue = [...items];
  const results = new Map();
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) results.set(item, await work(item));
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return items.map((item) => results.get(item));
}

function indent(text) {
  return text.replace(/^/gmu, '    ');
}

function reportOne(outcome) {
  const name = machineName(outcome.machine);
  for (const test of outcome.failed) say(failure(name, test));
  for (const problem of outcome.problems) say(`vm: ${name}: failed: ${problem}`);
  if (outcome.problems.length > 0)
    say(`vm: ${name}: the end of its console:\n${indent(outcome.console.slice(-consoleLines).join('\n'))}`);
}

function failure(machine, { file, name, error, milliseconds }) {
  return `vm: ${machine}: failed: ${file}: ${name} (${milliseconds} ms)\n${indent(error ?? '')}`;
}

/** What makes the run fail although no test did: skips without a true reason, tests that no kernel ran. */
function unexplained(outcomes, everything) {
  const lines = [];
  const ran = new Set();
  const skippedBy = new Map();
  for (const { machine, passed, failed, skipped } of outcomes) {
    for (const { file, name } of [...passed, ...failed]) ran.add(`${file}: ${bare(name)}`);
    for (const { file, name, reason, runnable } of skipped) {
      const key = `${file}: ${bare(name)}`;
      skippedBy.set(key, reason);
      if (reason === undefined)
        lines.push(
          `${machineName(machine)}: ${key}: a skip has to state its reason: use testIf() of test/helpers/skip.ts`,
        );
      else if (runnable !== undefined)
        lines.push(`${machineName(machine)}: ${key}: skipped because it ${reason}, but ${runnable}`);
    }
  }
  if (everything) {
    for (const [key, reason] of skippedBy) {
      // What a VM cannot do at all, `npm run test:kernel` does.
      if (!ran.has(key) && !neverInVms.some((need) => reason === `needs ${need}`))
        lines.push(`no kernel of the matrix ran ${key}: each time it ${reason}`);
    }
  }
  return [...new Set(lines)];
}

function bare(name) {
  return name.replace(/ \[skipped: [^\]]+\]/u, '');
}

await main(undefined, async (args) => {
  const { kernel, arch, test: pattern, timeout, jobs, verbose, whole, 'self-test': onlySelfTest } = options(args);
  const everything = [kernel, arch, pattern].every((choice) => choice === undefined) && !onlySelfTest;
  const selected = selectMachines({ kernel, arch });
  const begin = Date.now();
  const tools = new Map();
  const parts = new Map();
  for (const architecture of new Set(selected.map((machine) => machine.architecture))) {
    tools.set(architecture, await fetchTools(architecture));
    const userSpace = await fetchUserSpace(architecture, tools.get(architecture));
    const xdpTools = await fetchXdpTools(architecture);
    const addon = await addonFor(architecture);
    parts.set(architecture, { tools: tools.get(architecture), userSpace, xdpTools, addon });
  }
  const kernels = await fetchKernels(selected, tools);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'node-ebpf-vm-'));
  process.once('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  const testRunner = async () => {
    if (!onlySelfTest && !everything) return { passed: 0, problems: [] };
    const machine = selected[0];
    const context = { ...parts.get(machine.architecture), folder, kernel: kernels.get(machine) };
    const result = await selfTest(machine, context);
    say(`vm: the runner itself: ${result.passed} passed, ${result.problems.length} failed`);
    return result;
  };
  const runOne = async (machine) => {
    const name = machineName(machine);
    say(`vm: ${name}: booting ${kernels.get(machine).release}`);
    const onTest = (test) => {
      if (test.status === 'failed') say(failure(name, test));
      else if (verbose) say(`vm: ${name}: ${test.status}: ${test.file}: ${test.name} (${test.milliseconds} ms)`);
    };
    const isWhole = machine.architecture === 'x64' && (whole || pattern !== undefined);
    const outcome = await runSuite(machine, {
      ...parts.get(machine.architecture),
      ...{ files: kernelTests(isWhole ? {} : machine), pattern, folder, onTest, askFeatures: everything },
      kernel: kernels.get(machine),
      timeoutMs: Number(timeout) * 1000,
    });
    say(`vm: ${name}: ${counts(outcome)} in ${(outcome.milliseconds / 1000).toFixed(0)} s`);
    return outcome;
  };
  // Machines of the runner's own test wait more than they work.
  const [self, outcomes] = await Promise.all([
    testRunner(),
    inParallel(onlySelfTest ? [] : selected, Number(jobs), runOne),
  ]);

  say('');
  for (const problem of self.problems) say(`vm: failed: the runner itself: ${problem}`);
  const skips = new Map();
  for (const outcome of outcomes) {
    reportOne(outcome);
    for (const { file, name } of outcome.skipped) {
      const key = `${file}: ${name}`;
      skips.set(key, [...(skips.get(key) ?? []), machineName(outcome.machine)]);
    }
  }
  for (const [key, names] of skips) say(`vm: skipped on ${names.join(', ')}: ${key}`);
  const more = unexplained(outcomes, everything);
  const wrongPage = everything
    ? checkKernelsPage(outcomes, { folder, moved: (text) => say(`vm: ${text}`) })
    : undefined;
  if (wrongPage !== undefined) more.push(wrongPage);
  for (const line of more) say(`vm: failed: ${line}`);
  for (const outcome of outcomes) {
    say(
      `vm: ${machineName(outcome.machine)} (${outcome.kernel.release}): ${counts(outcome)}, ${(outcome.milliseconds / 1000).toFixed(0)} s`,
    );
  }
  const sum = (count) => outcomes.reduce((total, outcome) => total + count(outcome), 0);
  const passed = self.passed + sum((outcome) => outcome.passed.length);
  const failed = self.problems.length + more.length + sum((outcome) => outcome.failed.length + outcome.problems.length);
  const skipped = sum((outcome) => outcome.skipped.length);
  if (passed + failed === 0) say('vm: no test ran: no file or name matches');
  say(`vm: ${outcomes.length} kernels in ${((Date.now() - begin) / 1000).toFixed(0)} s`);
  say(`vm: ${passed} passed, ${failed} failed, ${skipped} skipped`);
  return failed === 0 && passed > 0 ? 0 : 1;
});

function counts({ passed, failed, problems, skipped }) {
  return `${passed.length} passed, ${failed.length + problems.length} failed, ${skipped.length} skipped`;
}
