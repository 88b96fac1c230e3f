// Brings the BPF objects of packages, Debian's and others, into the cache that test/vm keeps its kernels in, and libbpf to compare with.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { SetupError, findCommand, run, say } from '../../scripts/setup.mjs';
import { PrivateApt, debianRelease, hostArchitecture } from '../vm/apt.mjs';
import { cached, hashOf, makeEntry } from '../vm/cache.mjs';
import { filesBelow, objectsWithin } from './extract.mjs';
import { packages, registries, required } from './packages.mjs';

const recipe = hashOf(packages, required, 1);
const registryRecipe = (name) => hashOf(registries[name], 1);
const libbpfPackages = ['libbpf-dev', 'libbpf1', 'zlib1g', 'libzstd1', 'libc6'];
const entryName = (suite) => `corpus-${suite}`;

/** The objects of a suite of Debian, or of another registry: [{ package, version, source, offset, file }], fetched unless the cache has them. */
export async function corpusOf(suite) {
  const isDebian = registries[suite] === undefined;
  const entry =
    cached(entryName(suite), isDebian ? recipe : registryRecipe(suite)) ??
    (await (isDebian ? fetchSuite(suite) : fetchRegistry(suite)));
  return entry.objects.map((object) => ({ ...object, suite, file: path.join(entry.folder, object.file) }));
}

async function fetchSuite(suite) {
  return makeEntry(entryName(suite), recipe, (folder) => {
    const start = Date.now();
    const apt = new PrivateApt([[suite, hostArchitecture()]]);
    try {
      const there = apt.packagesNamed('', new RegExp(`^(${packages.join('|')})$`, 'u'));
      const missing = required.filter((name) => !there.includes(name));
      if (missing.length > 0) throw new SetupError(`${suite} has no package ${missing.join(', ')}`);
      const seen = new Set();
      const objects = there.flatMap((name) => extractPackage(apt, name, folder, seen));
      say(`corpus: ${objects.length} objects of ${suite} in ${((Date.now() - start) / 1000).toFixed(1)} s`);
      return { objects };
    } finally {
      apt.close();
    }
  });
}

function extractPackage(apt, name, folder, seen) {
  const tree = path.join(folder, 'tree');
  const version = apt.unpack([name], tree)[name];
  const objects = extractTree(tree, { package: name, version }, folder, seen);
  fs.rmSync(tree, { recursive: true });
  return objects;
}

/** Copies the objects in a package's tree below `folder`; `seen` has the hashes of those that are there already. */
function extractTree(tree, facts, folder, seen) {
  const objects = [];
  for (const source of filesBelow(tree)) {
    for (const { offset, bytes } of objectsWithin(fs.readFileSync(path.join(tree, source)))) {
      const hash = createHash('sha256').update(bytes).digest('hex');
      if (seen.has(hash)) continue;
      seen.add(hash);
      // Two executables of one package may have one name; the object's own name is in no skeleton.
      const stem = path.basename(source).replace(/(\.bpf)?\.(o|elf)$/u, '');
      const file = path.join(facts.package, `${stem}-${hash.slice(0, 8)}.bpf.o`);
      fs.mkdirSync(path.join(folder, facts.package), { recursive: true });
      fs.writeFileSync(path.join(folder, file), bytes);
      objects.push({ ...facts, source, offset, file });
    }
  }
  return objects;
}

async function fetchRegistry(registry) {
  const names = registries[registry];
  return makeEntry(entryName(registry), registryRecipe(registry), (folder) => {
    const seen = new Set();
    const objects = names.flatMap((name) => {
      const tree = path.join(folder, 'tree');
      const [short, version] = shortNames[registry](name);
      const unpacked = unpackers[registry](name, tree);
      const found = extractTree(unpacked, { package: short, version }, folder, seen);
      fs.rmSync(tree, { recursive: true, force: true });
      return found;
    });
    say(`corpus: ${objects.length} objects of ${registry}`);
    return { objects };
  });
}

/** `github.com/cilium/ebpf@v0.22.0` → cilium-ebpf, v0.22.0 */
const shortNames = {
  go: (name) => {
    const [module, version] = name.split('@');
    return [module.split('/').slice(1).join('-'), version];
  },
  pypi: (name) => name.split('=='),
};

/** Each brings a package with its registry's own client, which checks it, and returns the folder it is in. */
const unpackers = {
  go: (name) => {
    if (findCommand('go') === undefined) throw new SetupError('Go modules are fetched with go, which is not installed');
    const said = run('go', ['mod', 'download', '-json', name], { what: `go mod download ${name}`, cwd: os.tmpdir() });
    return JSON.parse(said).Dir;
  },
  pypi: (name, tree) => {
    if (findCommand('pip') === undefined) throw new SetupError('PyPI is read with pip, which is not installed');
    const wheels = path.join(tree, 'wheels');
    const flags = ['--quiet', '--no-deps', '--only-binary', ':all:', '--dest', wheels];
    run('pip', ['download', ...flags, name], { what: `pip download ${name}` });
    const unpacked = path.join(tree, 'unpacked');
    for (const wheel of fs.readdirSync(wheels)) {
      const file = path.join(wheels, wheel);
      run('python3', ['-m', 'zipfile', '-e', file, unpacked], { what: `unpacking ${wheel}` });
    }
    return unpacked;
  },
};

/**
 * Headers and libraries of libbpf in a suite of Debian, by default the one that this machine runs: { version, include,
 * libraries, loader }. Nothing is installed: it comes with the C library it needs, and `loader` runs programs with that.
 */
export async function fetchLibbpf(suite = debianRelease()) {
  const name = `corpus-libbpf-${suite}`;
  const libbpfRecipe = hashOf(libbpfPackages, 3);
  const entry =
    cached(name, libbpfRecipe) ??
    (await makeEntry(name, libbpfRecipe, (folder) => {
      const apt = new PrivateApt([[suite, hostArchitecture()]]);
      try {
        const elf = apt.has('libelf1t64') ? 'libelf1t64' : 'libelf1';
        const versions = apt.unpack([...libbpfPackages, elf], folder);
        return { version: versions['libbpf-dev'] };
      } finally {
        apt.close();
      }
    }));
  const shared = filesBelow(entry.folder).filter((file) => /\.so(\.|$)/u.test(file));
  const inside = (file) => path.join(entry.folder, file);
  return {
    version: entry.version,
    include: inside('usr/include'),
    libraries: [...new Set(shared.map((file) => inside(path.dirname(file))))],
    loader: inside(shared.find((file) => /\/ld-linux[^/]*$/u.test(file))),
  };
}

/** The object files of a folder, as if a package had them. */
export function objectsIn(folder) {
  return filesBelow(folder)
    .filter((file) => /\.(o|elf)$/u.test(file))
    .map((source) => ({
      suite: 'folder',
      package: path.dirname(source),
      version: '',
      source,
      offset: 0,
      file: path.join(path.resolve(folder), source),
    }));
}
