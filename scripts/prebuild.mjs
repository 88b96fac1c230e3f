// `npm run prebuilds`: puts the addon for this platform where the package carries it, prebuilds/<platform>-<arch>/, stripped.
// `npm pack` runs it, so that what is packed works on a machine like this one without a compiler.
import fs from 'node:fs';
import path from 'node:path';
import { findCommand, main, root, run, say, SetupError } from './setup.mjs';

await main(['dependencies', 'addon'], () => {
  if (process.platform !== 'linux') {
    say(`prebuild: nothing to build for ${process.platform}`);
    return 0;
  }
  // The names that node-gyp-build looks for: Node-API works in every Node, and musl needs a binary of its own.
  const isMusl = fs.existsSync('/etc/alpine-release');
  const architecture = process.arch === 'arm64' ? '.armv8' : '';
  const name = `node.napi${architecture}${isMusl ? '.musl' : ''}.node`;
  const target = path.join(root, 'prebuilds', `${process.platform}-${process.arch}`, name);
  const strip = findCommand('strip');
  if (strip === undefined)
    throw new SetupError('prebuild: strip is not installed; on Debian: apt-get install binutils');
  fs.mkdirSync(path.dirname(target), { recursive: true });
  run(strip, ['-o', target, path.join(root, 'build', 'Release', 'node_ebpf.node')], { what: 'stripping the addon' });
  say(`prebuild: ${path.relative(root, target)}, ${fs.statSync(target).size} bytes`);
  return 0;
});
