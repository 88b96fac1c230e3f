// `npm test`: sets up what is missing, runs the unit suite, then, as root on Linux, the kernel and package suites, and says in its last lines
// what passed, failed and was skipped and why. Flags are passed on to Jest; --selectProjects unit|kernel|package picks one suite.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { aptInstall, findCommand, isDebianRoot, main, root, say } from './setup.mjs';
import { skipReason, whyRunnable } from './skips.mjs';

const suites = ['unit', 'kernel', 'package'];
/** How long Jest may take to end after its last test. */
const exitPatienceMs = 20_000;
const requireRoot = process.env.EBPF_REQUIRE_ROOT === '1';

function selectSuites(flags) {
  const selected = new Set();
  const rest = [];
  for (let index = 0; index < flags.length; index++) {
    const flag = flags[index];
    if (flag === '--selectProjects') {
      while (suites.includes(flags[index + 1])) selected.add(flags[++index]);
    } else if (flag.startsWith('--selectProjects=')) {
      for (const name of flag.slice('--selectProjects='.length).split(',')) selected.add(name);
    } else {
      rest.push(flag);
    }
  }
  return { selected: selected.size === 0 ? suites : suites.filter((name) => selected.has(name)), rest };
}

function whyNotHere(suite) {
  if (suite === 'unit') return undefined;
  if (process.platform !== 'linux') return `it needs Linux, and this is ${process.platform}`;
  if (process.getuid?.() !== 0) {
    return `it loads programs into the kernel and needs root, and this is user ${os.userInfo().username}; run: sudo npm test`;
  }
  return undefined;
}

async function runSuite(suite, flags) {
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'node-ebpf-test-')), 'results.json');
  const jest = path.join(root, 'node_modules', 'jest', 'bin', 'jest.js');
  const args = [
    jest,
    '--selectProjects',
    suite,
    '--reporters=default',
    '--reporters=<rootDir>/scripts/results-reporter.cjs',
  ];
  // The kernel is one, and its tests look at all of it.
  if (suite !== 'unit') args.push('--runInBand');
  // Named files or tests need not be in every suite; that they are in none is noticed below.
  if (flags.length > 0) args.push('--passWithNoTests', ...flags);
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, NODE_EBPF_TEST_RESULTS: file, NODE_EBPF_WATCH_KERNEL: suite === 'kernel' ? '1' : '0' },
  });
  // Jest waits for whatever its tests left open: a reader, a timer, a child's pipe. That is a failure, and must not hang a CI.
  let hung = false;
  let reported;
  const watch = setInterval(() => {
    if (!fs.existsSync(file)) return;
    reported ??= Date.now();
    if (Date.now() - reported < exitPatienceMs || hung) return;
    hung = true;
    child.kill('SIGKILL');
  }, 500);
  const status = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? signal));
  }).finally(() => clearInterval(watch));
  let results;
  try {
    results = JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch {
    results = undefined;
  }
  fs.rmSync(path.dirname(file), { recursive: true, force: true });
  return { status, results, hung };
}

/** In CI nothing is skipped for want of a program that can be had; elsewhere those tests say what they need. */
function installPeers() {
  if (process.env.CI !== 'true' || !isDebianRoot()) return;
  const missing = ['bpftool', 'llvm-objdump-19'].filter((command) => findCommand(command) === undefined);
  const packages = { bpftool: 'bpftool', 'llvm-objdump-19': 'llvm-19' };
  if (missing.length > 0)
    aptInstall(
      missing.map((command) => packages[command]),
      'tests compare with them',
    );
}

await main(undefined, async (allFlags) => {
  const { selected, rest } = selectSuites(allFlags);
  installPeers();
  const details = [];
  const lines = [];
  let failed = false;
  let ran = 0;
  for (const suite of selected) {
    const reason = whyNotHere(suite);
    if (reason !== undefined) {
      lines.push(`${suite}: not run: ${reason}`);
      if (requireRoot) {
        failed = true;
        lines.push(`${suite}: failed: EBPF_REQUIRE_ROOT=1 demands that it runs`);
      }
      continue;
    }
    const { status, results, hung } = await runSuite(suite, rest);
    if (results === undefined) {
      if (status !== 0) {
        failed = true;
        lines.push(`${suite}: Jest did not finish (${status})`);
      } else {
        lines.push(`${suite}: 0 passed, 0 failed, 0 skipped`);
      }
      continue;
    }
    if (hung) details.push(`${suite}: failed: Jest did not end by itself: a test left something open`);
    const broken = results.broken.length + results.left.length + (hung ? 1 : 0);
    for (const file of results.broken) details.push(`${suite}: failed as a file: ${file}`);
    for (const { what, file } of results.left) details.push(`${suite}: failed: ${file} left in the kernel: ${what}`);
    for (const test of results.skipped) {
      const why = skipReason(test.name);
      // `-t pattern` skips all other tests: those are not worth a line.
      if (why === undefined && rest.some((flag) => /^(-t|--testNamePattern)/u.test(flag))) continue;
      details.push(`${suite}: skipped: ${test.file}: ${test.name}`);
      if (why === undefined) {
        failed = true;
        details.push(`  a skip has to state its reason: use testIf() of test/helpers/skip.ts`);
      } else if (requireRoot) {
        const runnable = whyRunnable(why);
        if (runnable === undefined) continue;
        failed = true;
        details.push(`  but this machine could run it: ${runnable}`);
      }
    }
    ran += results.passed + results.failed + broken;
    if (status !== 0 || results.failed + broken > 0) failed = true;
    lines.push(
      `${suite}: ${results.passed} passed, ${results.failed + broken} failed, ${results.skipped.length} skipped`,
    );
  }
  if (ran === 0 && !failed) {
    failed = true;
    details.push(
      lines.some((line) => line.includes('not run')) ? 'No test ran' : 'No test ran: no file or name matches',
    );
  }
  // After Jest's own output, which goes to standard error as well.
  for (const line of [...details, ...lines]) say(line);
  return failed ? 1 : 0;
});
