// The first root file system of a VM: user space, then the repository with compiled tests, then a kernel's modules.
import fs from 'node:fs';
import { createRequire, SourceMap } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { transformSync } from '@swc/core';
import { buildExample, exampleNames } from '../../scripts/example.mjs';
import { SetupError, root, run } from '../../scripts/setup.mjs';
import { bundle, bundleLoader, locate } from './bundle.mjs';
import { CpioArchive } from './cpio.mjs';
import { architectures } from './machines.mjs';

const here = import.meta.dirname;
const guest = (name) => fs.readFileSync(path.join(here, 'guest', name));

/** A kernel's modules, the order to insert them in, and its configuration, where distributions have it. */
export function modulesArchive(kernel) {
  const archive = new CpioArchive();
  archive.file('/modules/order', kernel.modules.map((name) => `${name}\n`).join(''));
  for (const name of kernel.modules) {
    archive.file(`/modules/${name}.ko`, fs.readFileSync(path.join(kernel.modulesFolder, `${name}.ko`)));
  }
  archive.file(`/boot/config-${kernel.release}`, fs.readFileSync(path.join(kernel.folder, 'config')));
  return archive.end();
}

/** The test files of the kernel suite, as paths in the repository: all of them, `tests` by name, or all but those `without`. */
export function kernelTests({ tests, without = [] }) {
  const files = filesBelow('test/kernel', '.test.ts');
  const pathOf = (name) => `test/kernel/${name}.test.ts`;
  const named = [...(tests ?? []), ...without].map(pathOf);
  const missing = named.find((file) => !files.includes(file));
  if (missing !== undefined) throw new SetupError(`test/vm/machines.mjs names ${missing}, which does not exist`);
  return files.filter((file) => (tests === undefined ? !without.map(pathOf).includes(file) : named.includes(file)));
}

/**
 * The repository as tests see it, below /node-ebpf, with the same names; the code is in two bundles. `script` is the work of
 * the VM: all of it, but for tests of the runner. With `askFeatures` the kernel is asked what docs/kernels.md says. Returns the archive and sourceLine(line, column), which leads from the
 * bundle of the tests back to the sources.
 */
export function suiteArchive({
  architecture,
  addon,
  files,
  pattern,
  askFeatures = false,
  script = workOfSuite(askFeatures),
}) {
  const archive = new CpioArchive();
  const inside = (name) => `/node-ebpf/${name}`;
  for (const name of ['package.json', 'docs', 'examples', 'test/fixtures'])
    archive.copy(path.join(root, name), inside(name));
  for (const name of exampleNames())
    archive.copy(path.dirname(buildExample(name)[0]), inside(`build/examples/${name}`));
  for (const name of fs.readdirSync(path.join(root, 'bpf-samples'))) {
    const seen = architectures[architecture].bigEndian === true ? inOtherOrder(name) : name;
    archive.copy(path.join(root, 'bpf-samples', name), inside(`bpf-samples/${seen}`));
  }

  const maps = new Map();
  // What starts an example is built above, as its user runs it.
  const modules = sources('lib', 'examples', 'test/helpers', 'test/kernel').filter(
    (name) => !/^examples\/.*\/main\.ts$/u.test(name),
  );
  const compiled = modules.map((name) => {
    const { code, map } = transformSync(fs.readFileSync(path.join(root, name), 'utf8'), {
      filename: path.join(root, name),
      configFile: false,
      swcrc: false,
      sourceMaps: true,
      jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
      module: { type: 'commonjs' },
    });
    maps.set(inside(name), { map, name });
    archive.file(inside(name), `// in vm/typescript.js\n`);
    return [inside(name), code];
  });
  const tests = bundle(compiled, {
    extension: '.ts',
    root: inside('.'),
    packages: { 'node-ebpf': inside('lib/index.ts') },
  });
  archive.file(inside('vm/typescript.bundle.js'), tests.text);
  archive.file(inside('vm/typescript.js'), bundleLoader(inside('vm/typescript.bundle.js')));

  // What is published, in the same places for whoever requires it.
  const built = filesBelow('dist', '.js').map((name) => [inside(name), fs.readFileSync(path.join(root, name), 'utf8')]);
  archive.file(inside('vm/dist.bundle.js'), bundle(built, { extension: '.js', root: inside('.') }).text);
  archive.file(inside('vm/dist.js'), bundleLoader(inside('vm/dist.bundle.js')));
  for (const [name] of built) {
    let stub = `module.exports = require('/node-ebpf/vm/dist.js').load(${JSON.stringify(name)});\n`;
    // Never run: ES modules find here which names they can import.
    if (name === inside('dist/index.js')) stub += `0 && (module.exports = { ${publicNames().join(', ')} });\n`;
    archive.file(name, stub);
  }

  if (architecture === process.arch) {
    for (const name of ['delegate', 'unix-datagrams'])
      archive.file(inside(`test/fixtures/${name}`), compileFixture(name), { executable: true });
  }
  archive.file(inside('test/helpers/typescript-hook.cjs'), guest('typescript-hook.cjs'));
  archive.file(inside('scripts/skips.mjs'), fs.readFileSync(path.join(root, 'scripts', 'skips.mjs')));
  archive.file(inside('build/Release/node_ebpf.node'), fs.readFileSync(addon));
  for (const folder of packageClosure('expect')) {
    const skip = /\.(d\.ts|d\.mts|d\.cts|map|md)$|\/node_modules$/u;
    archive.copy(path.join(root, folder), inside(folder), (file) => !skip.test(file));
  }
  for (const name of ['warm-up.cjs', 'runner.cjs', 'globals.cjs', 'features.cjs'])
    archive.file(inside(`vm/${name}`), guest(name));
  archive.file('/suite.json', JSON.stringify({ files, pattern }));
  archive.file('/init', guest('init'), { executable: true });
  archive.file('/run.sh', script);
  return { archive: archive.end(), sourceLine: sourceLines(tests.lines, maps) };
}

/** A fixture in C, for VMs of this machine's architecture: tests of others that need it are skipped. */
function compileFixture(name) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'node-ebpf-vm-'));
  try {
    const program = path.join(folder, name);
    const source = path.join(root, 'test', 'fixtures', `${name}.c`);
    run('cc', ['-O2', '-o', program, source], { what: `compiling test/fixtures/${name}.c` });
    return fs.readFileSync(program);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

function publicNames() {
  return Object.keys(createRequire(import.meta.url)(path.join(root, 'dist/index.js')));
}

function workOfSuite(askFeatures) {
  const lines = ['cd /node-ebpf', 'node vm/warm-up.cjs'];
  if (askFeatures) lines.push('node vm/features.cjs || exit 1');
  return [...lines, 'exec node --expose-gc vm/runner.cjs', ''].join('\n');
}

/** Tests load `x.bpf.o`: on a big-endian machine that is the object compiled for it, and `x.bpfeb.o` is the other one. */
function inOtherOrder(name) {
  if (name.endsWith('.bpfeb.o')) return name.replace(/eb\.o$/u, '.o');
  return name.replace(/\.bpf\.o$/u, '.bpfeb.o');
}

/** (line, column) of vm/typescript.bundle.js → `lib/ebpf.ts:12:3`. */
function sourceLines(lines, maps) {
  const parsed = new Map();
  return (line, column) => {
    const place = locate(lines, line);
    if (place === undefined) return undefined;
    const { map, name } = maps.get(place.name);
    if (!parsed.has(name)) parsed.set(name, new SourceMap(JSON.parse(map)));
    const origin = parsed.get(name).findEntry(place.line - 1, column - 1);
    if (origin.originalLine === undefined) return undefined;
    return `${name}:${origin.originalLine + 1}:${origin.originalColumn + 1}`;
  };
}

function filesBelow(folder, extension) {
  return fs
    .readdirSync(path.join(root, folder), { recursive: true })
    .filter((name) => name.endsWith(extension))
    .map((name) => path.posix.join(folder, name))
    .sort();
}

function sources(...folders) {
  return folders
    .flatMap((folder) => filesBelow(folder, '.ts'))
    .filter((name) => !name.endsWith('.d.ts') && !name.endsWith('/kernel-environment.ts'));
}

/** The folders, from the repository on, of these packages and of everything they depend on. */
function packageClosure(...names) {
  const folders = new Set();
  const add = (name, from) => {
    const folder = findPackage(name, from);
    if (folder === undefined) return;
    const relative = path.relative(root, folder);
    if (folders.has(relative)) return;
    folders.add(relative);
    const { dependencies = {} } = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
    for (const needed of Object.keys(dependencies)) {
      if (!needed.startsWith('@types/')) add(needed, folder);
    }
  };
  for (const name of names) add(name, root);
  return [...folders].sort();
}

function findPackage(name, from) {
  for (const folder of ancestors(from)) {
    const candidate = path.join(folder, 'node_modules', name);
    if (fs.existsSync(path.join(candidate, 'package.json'))) return candidate;
  }
  throw new SetupError(`the package ${name} is not installed: run npm ci`);
}

function* ancestors(folder) {
  for (let current = folder; ; current = path.dirname(current)) {
    yield current;
    if (current === path.dirname(current)) return;
  }
}
