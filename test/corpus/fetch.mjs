// Brings the BPF objects of Debian's packages into the cache that test/vm keeps its kernels in, and libbpf to compare with.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { SetupError, say } from '../../scripts/setup.mjs';
import { PrivateApt, debianRelease, hostArchitecture } from '../vm/apt.mjs';
import { cached, hashOf, makeEntry } from '../vm/cache.mjs';
import { filesBelow, objectsWithin } from './extract.mjs';
import { packages, required } from './packages.mjs';

const recipe = hashOf(packages, required, 1);
const libbpfPackages = ['libbpf-dev', 'libbpf1', 'zlib1g', 'libzstd1', 'libc6'];
const entryName = (suite) => `corpus-${suite}`;

/** A suite's objects: [{ package, version, source, offset, file }], fetched unless the cache has them. */
export async function corpusOf(suite) {
  const entry = cached(entryName(suite), recipe) ?? (await fetchSuite(suite));
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
  const objects = [];
  for (const source of filesBelow(tree)) {
    for (const { offset, bytes } of objectsWithin(fs.readFileSync(path.join(tree, source)))) {
      const hash = createHash('sha256').update(bytes).digest('hex');
      if (seen.has(hash)) continue;
      seen.add(hash);
      // Two executables of one package may have one name; the object's own name is in no skeleton.
      const stem = path.basename(source).replace(/(\.bpf)?\.(o|elf)$/u, '');
      const file = path.join(name, `${stem}-${hash.slice(0, 8)}.bpf.o`);
      fs.mkdirSync(path.join(folder, name), { recursive: true });
      fs.writeFileSync(path.join(folder, file), bytes);
      objects.push({ package: name, version, source, offset, file });
    }
  }
  fs.rmSync(tree, { recursive: true });
  return objects;
}

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
