// `npm run prebuild`: the addon for every platform that is published, into prebuilds/, with a manifest of the sources and
// tools it was made of; nothing where they are up to date. Both are committed, so that neither users nor clones need a
// compiler. Since npm runs it before `npm run build` as well, that has all that is published.
//   --check   builds all of it anew and requires the bytes that are there
//   --verify  only requires that what is there is of these sources; `npm pack` does
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { hashOfBytes, readJson, root } from './files.mjs';
import { manifestFile, prebuilds, prebuildsFolder, sourcesHash, whyStale } from './prebuilds.mjs';
import { SetupError, main, say } from './setup.mjs';
import { compileAddon } from './zig.mjs';

/**
 * A binary of these sources for an architecture with glibc: what is published where it is of them, else what setup has
 * compiled for this machine, else one that is built now.
 */
export async function addonFor(architecture) {
  const published = prebuilds.find((one) => one.arch === architecture && one.libc === 'glibc');
  if (published !== undefined && whyStale([published]) === undefined) return path.join(prebuildsFolder, published.file);
  if (architecture === process.arch) return path.join(root, 'build', 'Release', 'node_ebpf.node');
  const folder = path.join(root, 'build', 'cross', architecture);
  const file = path.join(folder, 'node_ebpf.node');
  const stamp = path.join(folder, 'sources');
  const hash = sourcesHash();
  if (fs.existsSync(file) && fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === hash) return file;
  const start = Date.now();
  await compileAddon({ arch: architecture, libc: 'glibc' }, file);
  fs.writeFileSync(stamp, hash);
  say(`prebuild: ${path.relative(root, file)}, ${fs.statSync(file).size} bytes in ${seconds(start)}`);
  return file;
}

async function buildAll(folder) {
  const facts = {};
  for (const prebuild of prebuilds) {
    const start = Date.now();
    const file = path.join(folder, prebuild.file);
    await compileAddon(prebuild, file);
    const bytes = fs.readFileSync(file);
    facts[prebuild.file] = { sha256: hashOfBytes(bytes), bytes: bytes.length };
    say(`prebuild: ${prebuild.file}, ${bytes.length} bytes in ${seconds(start)}`);
  }
  return facts;
}

function verify() {
  const stale = whyStale();
  if (stale !== undefined) throw new SetupError(`prebuild: ${stale}`);
}

async function check() {
  verify();
  const { files } = readJson(manifestFile);
  const made = await buildAll(path.join(root, 'build', 'zig', 'check'));
  const differing = Object.keys(files).filter((file) => files[file].sha256 !== made[file]?.sha256);
  if (differing.length > 0)
    throw new SetupError(
      `prebuild: built anew these have other bytes: ${differing.map((file) => `prebuilds/${file}`).join(', ')}`,
    );
  say('prebuild: built anew they have the same bytes');
}

async function update() {
  if (whyStale() === undefined) {
    say('prebuild: prebuilds/ is up to date');
    return;
  }
  const sources = sourcesHash();
  const files = await buildAll(prebuildsFolder);
  const toolchain = readJson(path.join(root, 'scripts', 'toolchain.json'));
  fs.writeFileSync(manifestFile, `${JSON.stringify({ sources, toolchain, files }, null, 2)}\n`);
}

const seconds = (start) => `${((Date.now() - start) / 1000).toFixed(1)} s`;

if (process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await main(['dependencies'], async ([flag, ...rest]) => {
    const work = { '--check': check, '--verify': verify, undefined: update }[flag];
    if (work === undefined || rest.length > 0) throw new SetupError('usage: npm run prebuild [-- --check | --verify]');
    await work();
    return 0;
  });
}
