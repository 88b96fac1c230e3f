// Sets up what is missing on a fresh clone, and nothing when nothing changed: dependencies from the lock file, the addon, the
// TypeScript build. `npm start`, `npm test` and `npm run lint` call it, so it may depend on nothing but Node.
// Everything it says goes to standard error: standard output belongs to the program that is started.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { files, hashOf, readJson, root } from './files.mjs';
import { addonSources, ownPrebuild, whyStale } from './prebuilds.mjs';

export { root };

const stampFile = path.join(root, 'temp', 'setup.json');
const lockDirectory = path.join(root, 'temp', 'setup.lock');
const typescriptSources = [
  'lib',
  'tsconfig.json',
  'tsconfig.build.json',
  'scripts/bundle.mjs',
  'scripts/bundle-parts.mjs',
];

export class SetupError extends Error {}

export function say(line) {
  process.stderr.write(`${line}\n`);
}

/** Runs a command to its end, silently; its whole output is shown only when it fails. */
export function run(command, args, { what, cwd = root, env = {}, timeout = 15 * 60_000 }) {
  const result = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    timeout,
  });
  if (result.error !== undefined) throw new SetupError(`${what}: ${command}: ${result.error.message}`);
  if (result.status !== 0) {
    const ending = result.signal === null ? `exit status ${result.status}` : `signal ${result.signal}`;
    throw new SetupError(`${result.stdout}${result.stderr}\n${what} failed (${ending})`);
  }
  return result.stdout;
}

/** The first of these commands that is on PATH. */
export function findCommand(...names) {
  const directories = (process.env.PATH ?? '').split(path.delimiter).filter((directory) => directory !== '');
  for (const name of names) {
    for (const directory of directories) {
      const candidate = path.join(directory, name);
      try {
        fs.accessSync(candidate, fs.constants.X_OK);
        if (fs.statSync(candidate).isFile()) return candidate;
      } catch {
        // Not in this directory.
      }
    }
  }
  return undefined;
}

export function isDebianRoot() {
  return process.getuid?.() === 0 && fs.existsSync('/etc/debian_version') && findCommand('apt-get') !== undefined;
}

/** Installs Debian packages; `apt-get update` runs only because something has to be installed. */
export function aptInstall(packages, why) {
  say(`setup: installing ${packages.join(' ')} with apt-get (${why})`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-q'], { what: 'apt-get update', env });
  run('apt-get', ['install', '-q', '-y', '--no-install-recommends', ...packages], { what: 'apt-get install', env });
}

function writeStamp(name, value) {
  const stamps = { ...readJson(stampFile), [name]: value };
  fs.mkdirSync(path.dirname(stampFile), { recursive: true });
  fs.writeFileSync(`${stampFile}.new`, `${JSON.stringify(stamps)}\n`);
  fs.renameSync(`${stampFile}.new`, stampFile);
}

/** Why `npm ci` has to run, from npm's own record of what it installed; undefined when the lock file is satisfied. */
function staleDependencies() {
  const installed = readJson(path.join(root, 'node_modules', '.package-lock.json'))?.packages;
  if (installed === undefined) return 'node_modules is missing';
  const wanted = readJson(path.join(root, 'package-lock.json'))?.packages;
  if (wanted === undefined) throw new SetupError('package-lock.json is missing or damaged: restore it with git');
  for (const [name, entry] of Object.entries(wanted)) {
    if (name === '') continue;
    const have = installed[name];
    if (have === undefined) {
      // npm leaves out optional packages that are made for other platforms.
      if (entry.optional === true) continue;
      return `${name} is not installed`;
    }
    if (have.version !== entry.version || have.integrity !== entry.integrity) return `${name} is another version`;
  }
  return undefined;
}

const dependencies = {
  name: 'dependencies',
  stale: staleDependencies,
  make() {
    // `npm run` says which npm it is, so that the same one is used here.
    const cli = process.env.npm_execpath;
    const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    const [command, first] = cli?.endsWith('.js') === true ? [process.execPath, [cli]] : ['npm', []];
    run(command, [...first, ...args], { what: 'npm ci' });
    return 'installed from package-lock.json';
  },
};

/** Where Node's own headers lie; without them node-gyp downloads them, which closed networks forbid. */
export function nodeHeaders() {
  const beside = path.resolve(fs.realpathSync(process.execPath), '..', '..');
  for (const directory of [beside, process.env.npm_config_nodedir, '/usr', '/usr/local']) {
    if (directory === undefined || directory === '') continue;
    // The addon uses Node-API only, which is the same in every Node: headers of another version do as well.
    if (fs.existsSync(path.join(directory, 'include', 'node', 'node_api.h'))) return directory;
  }
  return undefined;
}

function requireCompiler() {
  const missing = () => {
    const packages = [];
    const compiler = process.env.CXX?.split(' ')[0];
    if (findCommand(...(compiler ? [path.basename(compiler)] : []), 'g++', 'c++') === undefined) packages.push('g++');
    if (findCommand('make', 'gmake') === undefined) packages.push('make');
    if (findCommand('python3') === undefined) packages.push('python3');
    return packages;
  };
  const packages = missing();
  if (packages.length === 0) return;
  const list = packages.join(', ');
  if (!isDebianRoot()) {
    throw new SetupError(
      `the addon in native/ has to be compiled, and ${list} ${packages.length === 1 ? 'is' : 'are'} not installed.\n` +
        `Install with: sudo apt-get install g++ make python3   (Debian, Ubuntu)\n` +
        `              sudo dnf install gcc-c++ make python3   (Fedora)\n` +
        `              sudo apk add g++ make python3 linux-headers   (Alpine)`,
    );
  }
  aptInstall(['g++', 'make', 'python3'], `the addon has to be compiled, and ${list} cannot be found`);
}

const builtFolder = path.join(root, 'build', 'Release');

function builtAddons() {
  return fs.existsSync(builtFolder) ? fs.readdirSync(builtFolder).filter((name) => name.endsWith('.node')) : [];
}

/** Removes what was compiled here, so that the next setup looks for the addon anew. */
export function discardAddon() {
  writeStamp('addon', undefined);
  for (const name of builtAddons()) fs.rmSync(path.join(builtFolder, name));
}

const addonHash = () => hashOf(addonSources, process.platform, process.arch);

/** Whether the binary in prebuilds/ for this machine is of the sources as they are. */
function hasPrebuild() {
  const prebuild = ownPrebuild();
  return prebuild !== undefined && whyStale([prebuild]) === undefined;
}

const addon = {
  name: 'addon',
  stale() {
    if (process.platform !== 'linux' || !fs.existsSync(path.join(root, 'binding.gyp'))) return undefined;
    // What was compiled here is loaded first: it may not be older than the sources.
    if (builtAddons().length > 0) return readJson(stampFile)?.addon === addonHash() ? undefined : 'native/ changed';
    return hasPrebuild() ? undefined : 'not built';
  },
  make() {
    if (hasPrebuild()) {
      discardAddon();
      return 'the one in prebuilds/ is of these sources';
    }
    requireCompiler();
    const hash = addonHash();
    const headers = nodeHeaders();
    const nodeGyp = path.join(root, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
    const args = [nodeGyp, 'configure', 'build', '--loglevel=warn'];
    if (headers !== undefined) args.push(`--nodedir=${headers}`);
    run(process.execPath, args, { what: 'compiling the addon' });
    writeStamp('addon', hash);
    return `compiled to build/Release/${builtAddons().join(', ')}`;
  },
};

const typescriptHash = () => hashOf(typescriptSources);
const compiled = ['dist/index.js', 'dist/cli/main.js'];
const isCompiled = () => [...compiled, 'build/types/index.d.ts'].every((file) => fs.existsSync(path.join(root, file)));

const typescript = {
  name: 'typescript',
  stale() {
    if (!isCompiled()) return 'not built';
    return readJson(stampFile)?.typescript === typescriptHash() ? undefined : 'lib/ changed';
  },
  async make() {
    const hash = typescriptHash();
    for (const file of [...files('dist')]) if (file !== 'dist/index.d.ts') fs.rmSync(path.join(root, file));
    removeOrphans('build/types', '.d.ts');
    const buildInfo = path.join(root, 'build', 'lib.tsbuildinfo');
    if (!isCompiled()) fs.rmSync(buildInfo, { force: true });
    const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    run(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { what: 'compiling lib/' });
    try {
      await (await import('./bundle.mjs')).bundle();
    } catch (error) {
      throw new SetupError(error.message);
    }
    writeStamp('typescript', hash);
    return 'compiled to dist/';
  },
};

/** Removes what no file of lib/ is compiled to. */
function removeOrphans(output, extension) {
  for (const file of [...files(output)]) {
    const source = file.slice(output.length + 1, -extension.length);
    const isMade = file.endsWith(extension) && fs.existsSync(path.join(root, 'lib', `${source}.ts`));
    if (!isMade) fs.rmSync(path.join(root, file));
  }
}

function processIsAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** One setup at a time: a directory is made by one process only, and a lock whose owner died is broken. */
async function withLock(work) {
  fs.mkdirSync(path.dirname(lockDirectory), { recursive: true });
  const ownerFile = path.join(lockDirectory, 'pid');
  const start = Date.now();
  let told = false;
  for (;;) {
    try {
      fs.mkdirSync(lockDirectory);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const owner = Number(fs.existsSync(ownerFile) ? fs.readFileSync(ownerFile, 'utf8') : Number.NaN);
    const age = Date.now() - (fs.statSync(lockDirectory, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (Number.isInteger(owner) && owner > 0 ? !processIsAlive(owner) : age > 10_000) {
      fs.rmSync(lockDirectory, { recursive: true, force: true });
      continue;
    }
    if (Date.now() - start > 20 * 60_000) throw new SetupError(`another setup holds ${lockDirectory}`);
    if (!told) say(`setup: waiting for another setup to end (process ${owner})`);
    told = true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  fs.writeFileSync(ownerFile, String(process.pid));
  try {
    return await work();
  } finally {
    fs.rmSync(lockDirectory, { recursive: true, force: true });
  }
}

const allSteps = { dependencies, addon, typescript };

/** Makes what is missing or out of date of the named steps (all of them by default). */
export async function setup(names = Object.keys(allSteps)) {
  const steps = names.map((name) => allSteps[name]);
  if (steps.every((step) => step.stale() === undefined)) return;
  await withLock(async () => {
    for (const step of steps) {
      const reason = step.stale();
      if (reason === undefined) continue;
      const start = Date.now();
      const done = await step.make();
      say(`setup: ${step.name}: ${done} in ${((Date.now() - start) / 1000).toFixed(1)} s (${reason})`);
    }
  });
}

/** Runs a script's main function after its setup; a SetupError is a message for a person, not a stack. */
export async function main(steps, body) {
  try {
    await setup(steps);
    const status = await body(process.argv.slice(2));
    if (status !== undefined) process.exitCode = status;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(error.message.trim());
    process.exitCode = 1;
  }
}

if (process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await main(undefined, () => 0);
}
