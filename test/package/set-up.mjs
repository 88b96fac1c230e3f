// Packs the repository and installs the tarball, once for all files of this folder; test/helpers/packed.ts tells them where.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findCommand, root } from '../../scripts/setup.mjs';
import { fetchMusl, fetchPeers } from './fetch.mjs';

export default async function setUp() {
  const folder = realpathSync(mkdtempSync(path.join(tmpdir(), 'node-ebpf-package-')));
  const commands = path.join(folder, 'commands');
  const app = path.join(folder, 'app');
  for (const made of [commands, app]) mkdirSync(made);
  const onPath = { node: process.execPath, npm: findCommand('npm'), sh: '/bin/sh', env: '/usr/bin/env' };
  for (const [name, target] of Object.entries(onPath)) symlinkSync(target, path.join(commands, name));

  const [peers, musl] = [await fetchPeers(), await fetchMusl()];
  const said = npm(['pack', '--json', '--pack-destination', folder], { cwd: root, env: process.env });
  const [{ filename, files, unpackedSize }] = JSON.parse(said.slice(said.indexOf('[')));
  const tarball = path.join(folder, filename);
  writeFileSync(path.join(app, 'package.json'), '{ "name": "app", "private": true }\n');
  // No registry: there is nothing to bring along.
  npm(['install', '--offline', '--no-audit', '--no-fund', '--loglevel=error', tarball], {
    cwd: app,
    env: { ...process.env, PATH: commands },
  });
  const all = { folder, tarball, files, unpackedSize, commands, app, peers, musl };
  writeFileSync(path.join(folder, 'packed.json'), JSON.stringify(all));
  process.env.NODE_EBPF_PACKED = folder;
  return () => rmSync(folder, { recursive: true });
}

/** Its standard output; when it fails, all that it wrote is in the error. */
function npm(args, options) {
  try {
    return execFileSync('npm', args, { ...options, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    throw new Error(`npm ${args[0]} failed\n${error.stdout}${error.stderr}`, { cause: error });
  }
}
