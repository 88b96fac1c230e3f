// `node scripts/cross-build.mjs arm64 s390x`: the addon for other architectures, with Debian's cross compilers, into
// build/cross/<architecture>/. The VMs of those architectures run it.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  SetupError,
  addonHash,
  aptInstall,
  findCommand,
  isDebianRoot,
  main,
  nodeHeaders,
  root,
  run,
  say,
} from './setup.mjs';

const targets = {
  arm64: { prefix: 'aarch64-linux-gnu', compiler: 'g++-aarch64-linux-gnu' },
  s390x: { prefix: 's390x-linux-gnu', compiler: 'g++-s390x-linux-gnu' },
};

/** The built addon for an architecture; builds it when it is not this machine's and out of date. */
export function addonFor(architecture) {
  if (architecture === process.arch) return path.join(root, 'build', 'Release', 'node_ebpf.node');
  const folder = path.join(root, 'build', 'cross', architecture);
  const file = path.join(folder, 'node_ebpf.node');
  const stamp = path.join(folder, 'sources');
  const hash = addonHash();
  if (fs.existsSync(file) && fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === hash) return file;
  const start = Date.now();
  const bytes = build(architecture);
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(file, bytes);
  fs.writeFileSync(stamp, hash);
  say(`cross-build: ${architecture}: ${bytes.length} bytes in ${((Date.now() - start) / 1000).toFixed(1)} s`);
  return file;
}

function build(architecture) {
  const target = targets[architecture];
  if (target === undefined) {
    throw new SetupError(
      `cross-build: no compiler is known for ${architecture}; there are ${Object.keys(targets).join(', ')}`,
    );
  }
  requireCompiler(architecture, target);
  // node-gyp builds where the sources are: a copy, so that the machine's own build stays.
  const copy = fs.mkdtempSync(path.join(os.tmpdir(), 'node-ebpf-cross-'));
  try {
    for (const name of ['binding.gyp', 'package.json', 'native']) {
      fs.cpSync(path.join(root, name), path.join(copy, name), { recursive: true });
    }
    fs.symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'));
    const nodeGyp = path.join(root, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
    const args = [nodeGyp, 'configure', 'build', '--loglevel=warn', `--arch=${architecture}`];
    const headers = nodeHeaders();
    if (headers !== undefined) args.push(`--nodedir=${headers}`);
    const env = { CC: `${target.prefix}-gcc`, CXX: `${target.prefix}-g++`, AR: `${target.prefix}-ar` };
    run(process.execPath, args, { what: `compiling the addon for ${architecture}`, cwd: copy, env });
    const built = path.join(copy, 'build', 'Release', 'node_ebpf.node');
    run(`${target.prefix}-strip`, ['--strip-unneeded', built], { what: `stripping the addon for ${architecture}` });
    return fs.readFileSync(built);
  } finally {
    fs.rmSync(copy, { recursive: true, force: true });
  }
}

function requireCompiler(architecture, { prefix, compiler }) {
  if (findCommand(`${prefix}-g++`) !== undefined && findCommand(`${prefix}-strip`) !== undefined) return;
  if (!isDebianRoot()) {
    throw new SetupError(
      `cross-build: ${prefix}-g++ is missing. Install with: sudo apt-get install ${compiler}   (Debian, Ubuntu)`,
    );
  }
  aptInstall([compiler], `the addon is compiled for ${architecture}`);
}

if (process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await main(['dependencies'], (names) => {
    for (const name of names.length > 0 ? names : Object.keys(targets))
      say(`cross-build: ${path.relative(root, addonFor(name))}`);
    return 0;
  });
}
