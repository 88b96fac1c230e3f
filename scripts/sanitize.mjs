// `npm run test:sanitize`: the addon built with gcc's sanitizers, under the kernel suite's tests of system calls and events.
// AddressSanitizer with UndefinedBehaviorSanitizer, then ThreadSanitizer. Root; g++ with its sanitizers' libraries. Flags: --only
// address|thread; other words pick test files.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { SetupError, discardAddon, findCommand, main, nodeHeaders, root, say } from './setup.mjs';

const sanitizers = {
  address: { flags: ['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined'], library: 'libasan.so' },
  thread: { flags: ['-fsanitize=thread'], library: 'libtsan.so' },
};
const defaultTests = [
  'test/kernel/sys-',
  'test/kernel/kernel-btf-index',
  'test/kernel/events',
  'test/kernel/perf-events',
  'test/kernel/user-ring',
  'test/kernel/soak',
];

function build({ flags }) {
  // Where the addon is looked for first: setup makes the usual one again.
  discardAddon();
  const folder = path.join(root, 'build', 'Release');
  fs.mkdirSync(folder, { recursive: true });
  const headers = nodeHeaders();
  if (headers === undefined) throw new SetupError("sanitize: Node's headers are neither beside it nor in /usr");
  const native = path.join(root, 'native');
  const sources = fs.readdirSync(native).filter((file) => file.endsWith('.cc'));
  const args = [
    ...[
      '-std=c++17',
      '-fno-exceptions',
      '-fno-rtti',
      '-fPIC',
      '-shared',
      '-g',
      '-O1',
      '-fno-omit-frame-pointer',
      ...flags,
    ],
    ...[
      '-DNAPI_VERSION=8',
      '-DNODE_API_NO_EXTERNAL_BUFFERS_ALLOWED',
      '-DNODE_GYP_MODULE_NAME=node_ebpf',
      '-DBUILDING_NODE_EXTENSION',
    ],
    ...[`-I${path.join(headers, 'include', 'node')}`, '-o', path.join(folder, 'node_ebpf.node')],
    ...sources.map((file) => path.join(native, file)),
  ];
  const { status, stderr } = spawnSync('g++', args, { encoding: 'utf8' });
  if (status !== 0) throw new SetupError(`sanitize: compiling the addon failed\n${stderr}`);
}

/** Runs the tests with what the sanitizer found in files of its own: what a test does with its output must not hide it. */
function test(name, { library }, files) {
  const found = spawnSync('g++', [`-print-file-name=${library}`], { encoding: 'utf8' }).stdout.trim();
  if (!path.isAbsolute(found)) throw new SetupError(`sanitize: g++ has no ${library}: sudo apt-get install g++`);
  const reports = path.join(root, 'temp', 'sanitize', name);
  fs.rmSync(reports, { recursive: true, force: true });
  fs.mkdirSync(reports, { recursive: true });
  // What Node itself leaves behind at its end is not the addon's; V8 and libuv are not instrumented.
  const log = `log_path=${path.join(reports, 'report')}`;
  const env = {
    ...process.env,
    LD_PRELOAD: found,
    ASAN_OPTIONS: `detect_leaks=0:${log}`,
    UBSAN_OPTIONS: `print_stacktrace=1:${log}`,
    TSAN_OPTIONS: `ignore_noninstrumented_modules=1:halt_on_error=0:exitcode=0:${log}`,
  };
  // ThreadSanitizer wants memory where it is without randomness.
  const fixed = name === 'thread' && findCommand('setarch') !== undefined ? ['setarch', '-R'] : [];
  const jest = [path.join(root, 'node_modules', 'jest', 'bin', 'jest.js'), '--selectProjects', 'kernel', '--runInBand'];
  const [command, ...args] = [...fixed, process.execPath, ...jest, '--testPathPatterns', ...files];
  const { status } = spawnSync(command, args, { cwd: root, env, stdio: 'inherit' });
  const written = fs.readdirSync(reports).map((file) => fs.readFileSync(path.join(reports, file), 'utf8'));
  for (const report of written) process.stderr.write(report);
  say(`sanitize: ${name}: tests ${status === 0 ? 'passed' : 'failed'}, ${written.length} reports`);
  return status === 0 && written.length === 0;
}

await main(undefined, (args) => {
  const at = args.indexOf('--only');
  const only = at < 0 ? undefined : args.splice(at, 2)[1];
  let passed = true;
  for (const [name, sanitizer] of Object.entries(sanitizers)) {
    if (only !== undefined && only !== name) continue;
    try {
      build(sanitizer);
      passed &&= test(name, sanitizer, args.length > 0 ? args : defaultTests);
    } finally {
      discardAddon();
    }
  }
  return passed ? 0 : 1;
});
