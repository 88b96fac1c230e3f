// xdp-loader of Debian's xdp-tools, which tests let share an interface's programs: only on this machine's own architecture.
import fs from 'node:fs';
import path from 'node:path';
import { run } from '../../scripts/setup.mjs';
import { PrivateApt, debianRelease, hostArchitecture, tell } from './apt.mjs';
import { cached, hashOf, makeEntry } from './cache.mjs';
import { CpioArchive } from './cpio.mjs';

const packages = ['xdp-tools', 'libbpf1', 'libelf1', 'zlib1g'];

/** Archives to add to a VM's root: one with xdp-loader, or none on other architectures. */
export async function fetchXdpTools(architecture) {
  if (architecture !== process.arch) return [];
  const release = debianRelease();
  const name = `xdp-tools-${architecture}`;
  const recipe = hashOf(release, packages, 1);
  const entry =
    cached(name, recipe) ??
    (await makeEntry(name, recipe, (folder) => {
      const apt = new PrivateApt([[release, hostArchitecture()]]);
      try {
        const versions = apt.unpack(packages, path.join(folder, 'tree'));
        tell(`fetched xdp-tools ${versions['xdp-tools']}`);
        return { versions };
      } finally {
        apt.close();
      }
    }));
  return [archiveOf(path.join(entry.folder, 'tree'))];
}

function archiveOf(tree) {
  const archive = new CpioArchive();
  const loader = path.join(tree, 'usr/sbin/xdp-loader');
  archive.file('/usr/bin/xdp-loader', fs.readFileSync(loader), { executable: true });
  const libraries = fs
    .readdirSync(tree, { recursive: true })
    .filter((file) => /^(?:usr\/)?lib\/.+\/lib(?:bpf|elf|z)[^/]*\.so\.\d+$/u.test(file));
  for (const file of libraries.sort()) {
    archive.file(`/usr/${file.replace(/^usr\//u, '')}`, fs.readFileSync(path.join(tree, file)), { executable: true });
  }
  for (const file of run('find', [tree, '-name', 'xdp-dispatcher.o'], { what: 'find xdp-dispatcher.o' }).split('\n')) {
    if (file !== '') archive.file(`/${path.relative(tree, file)}`, fs.readFileSync(file));
  }
  return archive.end();
}
