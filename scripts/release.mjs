// `npm run release`: packs what is to be published, holds it to what was built here, tries it, and publishes it with provenance; the
// release workflow runs nothing else. `-- --dry-run` does all of it but publishing, and tells what would have stopped that.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { hashOfBytes, readJson, root } from './files.mjs';
import { prebuilds } from './prebuilds.mjs';
import { SetupError, main, run, say } from './setup.mjs';

/** What stops a release of this tree, for reasons that can be told before anything is built. */
function obstacles({ version, repository }) {
  const found = [];
  const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
  if (git('status', '--porcelain') !== '') found.push('the tree has changes that are not committed');
  if (!git('tag', '--points-at', 'HEAD').split('\n').includes(`v${version}`))
    found.push(`this commit has no tag v${version}, the version in package.json`);
  const changelog = fs.readFileSync(path.join(root, 'CHANGELOG.md'), 'utf8');
  if (!changelog.includes(`## [${version}]`)) found.push(`CHANGELOG.md has no section [${version}]`);
  const [, unreleased = ''] = /^## \[Unreleased\]\n([\s\S]*?)(?=^## \[|$(?![\s\S]))/mu.exec(changelog) ?? [];
  if (unreleased.trim() !== '') found.push(`CHANGELOG.md has unreleased changes: they belong to [${version}]`);
  if (repository === undefined) found.push('package.json has no "repository", which provenance refers to');
  return found;
}

/** Packs into a folder, and returns the tarball, with the same files as this tree and the binaries that were just built. */
function pack(folder) {
  const said = run('npm', ['pack', '--json', '--pack-destination', folder], { what: 'npm pack' });
  const [{ filename, files, integrity, unpackedSize }] = JSON.parse(said.slice(said.indexOf('[')));
  const tarball = path.join(folder, filename);
  run('tar', ['-xzf', tarball, '-C', folder], { what: `unpacking ${filename}` });
  for (const { file } of prebuilds) {
    const [packed, built] = [
      path.join(folder, 'package', 'prebuilds', file),
      path.join(root, 'build', 'zig', 'check', file),
    ];
    if (hashOfBytes(fs.readFileSync(packed)) !== hashOfBytes(fs.readFileSync(built)))
      throw new SetupError(`release: prebuilds/${file} of the tarball is not what was built here`);
  }
  say(`release: ${filename}: ${files.length} files, ${unpackedSize} bytes unpacked, ${integrity}`);
  return tarball;
}

/** Installs the tarball in an empty folder and loads the addon there. */
function tryOut(tarball, folder) {
  const app = path.join(folder, 'app');
  fs.mkdirSync(app);
  fs.writeFileSync(path.join(app, 'package.json'), '{ "private": true }\n');
  const what = 'installing the tarball in an empty folder';
  run('npm', ['install', '--offline', '--no-audit', '--no-fund', '--loglevel=error', tarball], { what, cwd: app });
  const script = `const why = require('node-ebpf').whyUnsupported(); if (why) throw why;`;
  run(process.execPath, ['-e', script], { what: 'loading the addon of the tarball', cwd: app });
  say('release: installed in an empty folder, the addon loads');
}

await main(undefined, (args) => {
  const { 'dry-run': dryRun } = parseArgs({ args, options: { 'dry-run': { type: 'boolean', default: false } } }).values;
  const manifest = readJson(path.join(root, 'package.json'));
  const found = obstacles(manifest);
  for (const obstacle of found) say(`release: ${dryRun ? 'would be refused' : 'refused'}: ${obstacle}`);
  if (found.length > 0 && !dryRun) return 1;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'node-ebpf-release-'));
  try {
    run('npm', ['run', '--silent', 'prebuild', '--', '--check'], { what: 'building prebuilds/ anew' });
    say('release: prebuilds/ is what is built here');
    const tarball = pack(folder);
    tryOut(tarball, folder);
    const publish = ['publish', tarball, '--access', 'public', ...(dryRun ? ['--dry-run'] : ['--provenance'])];
    run('npm', publish, { what: 'npm publish' });
    say(`release: ${dryRun ? 'would be published' : 'published'}: ${manifest.name} ${manifest.version}`);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
  return 0;
});
