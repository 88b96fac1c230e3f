// `npm run lint`: every check that needs no kernel. Runs all of them and says at the end which failed.
// `npm run lint -- eslint types` runs the named ones only.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { report } from './api.mjs';
import { SetupError, aptInstall, findCommand, isDebianRoot, main, nodeHeaders, root, say, setup } from './setup.mjs';

const inCi = process.env.CI !== undefined && process.env.CI !== '' && process.env.CI !== 'false';
const llvm = '19';

function tool(package_, script) {
  return path.join(root, 'node_modules', package_, script);
}

function execute(command, args) {
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    timeout: 15 * 60_000,
  });
  if (result.error !== undefined) return { ok: false, text: `${command}: ${result.error.message}\n` };
  return { ok: result.status === 0, text: `${result.stdout}${result.stderr}` };
}

function node(script, ...args) {
  return execute(process.execPath, [script, ...args]);
}

function nativeFiles(pattern) {
  const directory = path.join(root, 'native');
  if (!fs.existsSync(directory)) return [];
  return fs
    .readdirSync(directory, { recursive: true })
    .filter((name) => pattern.test(name))
    .sort()
    .map((name) => path.join('native', name));
}

/** Finds an LLVM tool; in CI it must be there, elsewhere its absence is said at the end. */
function llvmTool(name) {
  const find = () => findCommand(`${name}-${llvm}`, name);
  const found = find();
  if (found !== undefined) return { command: found };
  const advice = `install it with: sudo apt-get install ${name}-${llvm}`;
  if (!inCi) return { unchecked: `${name} is not installed; ${advice}` };
  if (!isDebianRoot()) return { failure: `${name} is not installed, and CI must not do without; ${advice}\n` };
  try {
    aptInstall([`${name}-${llvm}`], 'native/ is checked with it');
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    return { failure: `${error.message}\n${advice}\n` };
  }
  return { command: find() };
}

function withLlvm(name, work) {
  const { command, unchecked, failure } = llvmTool(name);
  if (failure !== undefined) return { ok: false, text: failure };
  if (command === undefined) return { ok: true, text: '', unchecked };
  return work(command);
}

const checks = {
  types: () => node(tool('typescript', 'bin/tsc'), '-p', 'tsconfig.json'),
  eslint: () => node(tool('eslint', 'bin/eslint.js'), '.'),
  prettier: () => node(tool('prettier', 'bin/prettier.cjs'), '--check', '--log-level=warn', '.'),
  // The build's own rules (isolatedDeclarations, CommonJS) and the report of what it declares.
  api: async () => {
    try {
      await setup(['typescript']);
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      return { ok: false, text: `${error.message.trim()}\n` };
    }
    const reviewed = await report({ accept: false });
    // What was rolled up has to be good for those who import it, too.
    const consumer = node(tool('typescript', 'bin/tsc'), '-p', 'test/consumer');
    return { ok: reviewed.ok && consumer.ok, text: reviewed.text + consumer.text };
  },
  'clang-format': () =>
    withLlvm('clang-format', (command) => {
      const files = nativeFiles(/\.(cc|cpp|h)$/u);
      return files.length === 0 ? { ok: true, text: '' } : execute(command, ['--dry-run', '--Werror', ...files]);
    }),
  'clang-tidy': () =>
    withLlvm('clang-tidy', (command) => {
      const files = nativeFiles(/\.(cc|cpp)$/u);
      if (files.length === 0) return { ok: true, text: '' };
      const headers = nodeHeaders();
      if (headers === undefined) {
        const text = `Node's headers (include/node/node_api.h) are not beside this Node`;
        return inCi ? { ok: false, text: `${text}\n` } : { ok: true, text: '', unchecked: text };
      }
      const flags = ['-std=c++17', '-fno-exceptions', '-fno-rtti', '-DNAPI_VERSION=8', '-D_GNU_SOURCE'];
      const includes = ['-Inative', `-I${headers}/include/node`, '-Inode_modules/node-addon-api'];
      return execute(command, [
        '--quiet',
        '--warnings-as-errors=*',
        ...files,
        '--',
        '-x',
        'c++',
        ...flags,
        ...includes,
      ]);
    }),
};

await main(['dependencies'], async (names) => {
  const unknown = names.filter((name) => checks[name] === undefined);
  if (unknown.length > 0) {
    say(`lint: no check is called ${unknown.join(', ')}; there are ${Object.keys(checks).join(', ')}`);
    return 2;
  }
  const failed = [];
  const unchecked = [];
  for (const name of names.length > 0 ? names : Object.keys(checks)) {
    const start = Date.now();
    const result = await checks[name]();
    const seconds = ((Date.now() - start) / 1000).toFixed(1);
    if (result.ok && result.unchecked !== undefined) unchecked.push(`${name}: ${result.unchecked}`);
    else say(`lint: ${name}: ${result.ok ? 'ok' : 'FAILED'} (${seconds} s)`);
    if (!result.ok) failed.push(name);
    if (!result.ok || name === 'api') process.stderr.write(result.text);
  }
  for (const line of unchecked) say(`lint: not checked: ${line}`);
  say(failed.length === 0 ? 'lint: passed' : `lint: failed: ${failed.join(', ')}`);
  return failed.length === 0 ? 0 : 1;
});
