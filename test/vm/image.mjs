// The first root file system of a VM: user space, then the repository with compiled tests, then a kernel's modules.
import fs from 'node:fs';
import { SourceMap } from 'node:module';
import path from 'node:path';
import { transformSync } from '@swc/core';
import { SetupError, findCommand, root, run } from '../../scripts/setup.mjs';
import { bundle, locate } from './bundle.mjs';
import { cached, hashOf, makeEntry } from './cache.mjs';
import { CpioArchive } from './cpio.mjs';

const here = import.meta.dirname;
const guest = (name) => fs.readFileSync(path.join(here, 'guest', name));

/**
 * Programs that take the place of busybox's: tests run some under other names, which busybox would not understand, and some
 * with options that it does not know.
 */
const programs = ['true', 'sleep', 'setpriv', 'unshare', 'mount', 'umount'].map((name) => `/usr/bin/${name}`);

/** The file with Node, its libraries and busybox for this machine's own architecture. */
export async function nativeUserSpace(tools) {
  const node = fs.realpathSync(process.execPath);
  const { size, mtimeMs } = fs.statSync(node);
  const recipe = hashOf(node, size, mtimeMs, process.version, programs, 4);
  const name = `userspace-${process.arch}`;
  const entry =
    cached(name, recipe) ??
    (await makeEntry(name, recipe, (folder) => {
      const archive = newRoot();
      archive.file('/usr/bin/busybox', fs.readFileSync(tools.busybox), { executable: true });
      archive.file('/usr/bin/node', withoutDebugInformation(node, folder), { executable: true });
      const libraries = new Set();
      for (const program of [node, ...programs]) {
        if (program !== node) archive.file(program, fs.readFileSync(program), { executable: true });
        for (const [file] of run('ldd', [program], { what: `ldd ${program}` }).matchAll(/\/[^ ]+\.so[^ ]*/gu))
          libraries.add(file);
      }
      // /lib and /lib64 are links into /usr, as Debian has them.
      for (const file of [...libraries].sort()) {
        archive.file(file.replace(/^\/lib/u, '/usr/lib'), fs.readFileSync(file), { executable: true });
      }
      fs.writeFileSync(path.join(folder, 'root.cpio'), Buffer.concat(archive.end()));
      return {};
    }));
  return path.join(entry.folder, 'root.cpio');
}

function withoutDebugInformation(program, folder) {
  if (findCommand('strip') === undefined) return fs.readFileSync(program);
  const stripped = path.join(folder, 'stripped');
  run('strip', ['-o', stripped, program], { what: `stripping ${program}` });
  const bytes = fs.readFileSync(stripped);
  fs.rmSync(stripped);
  return bytes;
}

function newRoot() {
  const archive = new CpioArchive();
  for (const name of ['dev', 'proc', 'sys', 'tmp', 'run', 'root', 'etc', 'mnt', 'usr/bin', 'usr/lib', 'usr/lib64']) {
    archive.directory(`/${name}`);
  }
  for (const [name, target] of [
    ['bin', 'usr/bin'],
    ['sbin', 'usr/bin'],
    ['lib', 'usr/lib'],
    ['lib64', 'usr/lib64'],
    ['usr/sbin', 'bin'],
  ]) {
    archive.link(`/${name}`, target);
  }
  archive.file('/etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n');
  archive.file('/etc/group', 'root:x:0:\nnogroup:x:65534:\n');
  archive.file('/etc/hosts', '127.0.0.1 localhost\n');
  return archive;
}

/** A kernel's modules and the order to insert them in. */
export function modulesArchive(kernel) {
  const archive = new CpioArchive();
  archive.file('/modules/order', kernel.modules.map((name) => `${name}\n`).join(''));
  for (const name of kernel.modules) {
    archive.file(`/modules/${name}.ko`, fs.readFileSync(path.join(kernel.modulesFolder, `${name}.ko`)));
  }
  return archive.end();
}

/** The test files of the kernel suite, as paths in the repository. */
export function kernelTests() {
  return filesBelow('test/kernel', '.test.ts');
}

/**
 * The repository as tests see it, below /node-ebpf, with the same names; the code is in two bundles. `script` is the work of the VM: all of it, but for tests of the runner. Returns the archive and, by path in the VM,
 * what leads back to the lines of the sources.
 */
export function suiteArchive({
  addon,
  files,
  pattern,
  script = 'cd /node-ebpf\nexec node --expose-gc vm/runner.cjs\n',
}) {
  const archive = new CpioArchive();
  const inside = (name) => `/node-ebpf/${name}`;
  for (const name of ['package.json', 'bpf-samples', 'examples', 'test/fixtures']) {
    archive.copy(path.join(root, name), inside(name));
  }

  const maps = new Map();
  const compiled = sources('lib', 'test/helpers', 'test/kernel').map((name) => {
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
  const tests = bundle(compiled, { extension: '.ts', root: inside('.') });
  archive.file(inside('vm/typescript.js'), tests.text);

  // What is published, in the same places for whoever requires it.
  const built = filesBelow('dist', '.js').map((name) => [inside(name), fs.readFileSync(path.join(root, name), 'utf8')]);
  archive.file(inside('vm/dist.js'), bundle(built, { extension: '.js', root: inside('.') }).text);
  for (const [name] of built) {
    archive.file(name, `module.exports = require('/node-ebpf/vm/dist.js').load(${JSON.stringify(name)});\n`);
  }

  archive.file(inside('test/helpers/typescript-hook.cjs'), guest('typescript-hook.cjs'));
  archive.file(inside('scripts/skips.mjs'), fs.readFileSync(path.join(root, 'scripts', 'skips.mjs')));
  archive.file(inside('build/Release/node_ebpf.node'), fs.readFileSync(addon));
  for (const folder of packageClosure('expect', 'node-gyp-build')) {
    const skip = /\.(d\.ts|d\.mts|d\.cts|map|md)$|\/node_modules$/u;
    archive.copy(path.join(root, folder), inside(folder), (file) => !skip.test(file));
  }
  for (const name of ['runner.cjs', 'globals.cjs']) archive.file(inside(`vm/${name}`), guest(name));
  archive.file('/suite.json', JSON.stringify({ files, pattern }));
  archive.file('/init', guest('init'), { executable: true });
  archive.file('/run.sh', script);
  return { archive: archive.end(), sourceLine: sourceLines(tests.lines, maps) };
}

/** (line, column) of vm/typescript.js → `lib/ebpf.ts:12:3`. */
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
