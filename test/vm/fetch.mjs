// Brings what the VMs are made of into the cache: QEMU and tools, kernels, and the user space of each architecture.
import fs from 'node:fs';
import path from 'node:path';
import { SetupError } from '../../scripts/setup.mjs';
import { PrivateApt, debianRelease, hostArchitecture, tell } from './apt.mjs';
import { cached, hashOf, makeEntry } from './cache.mjs';
import { btfOfImage, elfOfBzImage } from './kernel-image.mjs';
import { collectModules } from './kernel-modules.mjs';
import { architectures, machineName, modules } from './machines.mjs';

const toolPackages = ['busybox-static', 'xz-utils', 'zstd', 'lz4'];

/** QEMU for an architecture, busybox and decompressors for this machine: { environment, qemu, busybox, firmware }. */
export async function fetchTools(architecture) {
  const packages = [architectures[architecture].qemuPackage, ...toolPackages].sort();
  const name = `tools-${architecture}`;
  const recipe = hashOf(packages, 2);
  const entry =
    cached(name, recipe) ??
    (await makeEntry(name, recipe, (folder) => {
      const start = Date.now();
      const release = debianRelease();
      const host = hostArchitecture();
      const suites = [release, `${release}-backports`].map((suite) => [suite, host]);
      const apt = new PrivateApt(suites, { knowInstalled: true });
      try {
        // Backports, because QEMU 7.2 crashes or hangs one boot in six of kernel 6.12 and 10 does not.
        // Nothing is installed: what this machine does not have is unpacked into the cache, libraries included.
        const versions = apt.unpackWithDependencies(packages, folder, { release: `${release}-backports` });
        tell(`fetched QEMU ${versions['qemu-system-common'] ?? '(installed)'} and tools in ${seconds(start)}`);
        return { versions };
      } finally {
        apt.close();
      }
    }));
  const inside = (...words) => path.join(entry.folder, ...words);
  const folders = ['usr/bin', 'bin', 'usr/sbin'].map((folder) => inside(folder));
  const libraries = ['usr/lib', 'lib'].flatMap((folder) => [inside(folder), ...libraryFolders(inside(folder))]);
  const environment = {
    ...process.env,
    PATH: [...folders, process.env.PATH ?? '/usr/bin:/bin'].join(':'),
    LD_LIBRARY_PATH: libraries.join(':'),
  };
  const find = (command) => {
    for (const folder of [...folders, '/usr/bin', '/bin']) {
      const file = path.join(folder, command);
      if (fs.existsSync(file)) return file;
    }
    throw new SetupError(
      `${command} is neither in ${entry.folder} nor installed: remove that folder and run this again`,
    );
  };
  return {
    environment,
    busybox: find('busybox'),
    qemu: find(architectures[architecture].qemu),
    firmware: [inside('usr/share/qemu'), inside('usr/share/seabios'), '/usr/share/qemu', '/usr/share/seabios'],
  };
}

export function libraryFolders(folder) {
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder)
    .filter((name) => name.endsWith('-linux-gnu'))
    .map((name) => path.join(folder, name));
}

function kernelRecipe(machine) {
  return hashOf(machine.debianSuites, architectures[machine.architecture].flavour, modules, 3);
}

/** What the cache has of a kernel without fetching it: for tests that only want its BTF. */
export function cachedKernel(machine) {
  const entry = cached(`kernel-${machineName(machine)}`, kernelRecipe(machine));
  return entry === undefined ? undefined : withPaths(entry);
}

function withPaths(entry) {
  const inside = (name) => path.join(entry.folder, name);
  return {
    ...entry,
    image: inside('image'),
    btf: entry.hasBtf ? inside('btf') : undefined,
    modulesFolder: inside('modules'),
  };
}

/** Each machine's kernel: { release, image, btf, config, modules: names in order, modulesFolder }. */
export async function fetchKernels(list, tools) {
  const lists = new PackageLists();
  try {
    for (const machine of list) {
      if (cachedKernel(machine) === undefined) await fetchFromAny(machine, lists, tools.get(machine.architecture));
    }
  } finally {
    lists.close();
  }
  return new Map(list.map((machine) => [machine, cachedKernel(machine)]));
}

/** A mirror may be in the middle of an update, and a suite may move on: another suite has the same kernel. */
async function fetchFromAny(machine, lists, tools) {
  const failures = [];
  for (const suite of machine.debianSuites) {
    try {
      await fetchKernel(machine, lists.of(suite, architectures[machine.architecture].debian), suite, tools);
      return;
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      failures.push(`${suite}: ${error.message}`);
      tell(`${machineName(machine)} cannot be had from ${suite}`);
    }
  }
  throw new SetupError(`${machineName(machine)} cannot be had\n${failures.join('\n')}`);
}

/** The package lists of suites and architectures, fetched when asked for. */
class PackageLists {
  #fetched = new Map();

  of(suite, architecture) {
    const key = `${suite} ${architecture}`;
    if (!this.#fetched.has(key)) {
      tell(`fetching the package list of ${key}`);
      this.#fetched.set(key, new PrivateApt([[suite, architecture]]));
    }
    return this.#fetched.get(key);
  }

  close() {
    for (const apt of this.#fetched.values()) apt.close();
  }
}

async function fetchKernel(machine, apt, suite, tools) {
  const start = Date.now();
  const { debian, flavour, image: kind } = architectures[machine.architecture];
  const prefix = `linux-image-${machine.version}`;
  const escaped = machine.version.replaceAll('.', '\\.');
  // The abi number follows, never another digit: 6.1 is not 6.12.
  const pattern = new RegExp(`^linux-image-${escaped}[.-][0-9][0-9a-z.+-]*-${flavour}$`, 'u');
  const other = /-(cloud|rt|dbg|unsigned|16k)\b/u;
  const names = apt
    .packagesNamed(prefix, pattern)
    .filter((name) => !other.test(name.slice(0, -flavour.length)) && !name.includes('~rc'));
  const name = names.at(-1);
  if (name === undefined) {
    throw new SetupError(`${suite} has no package ${prefix}…-${flavour} for ${debian}: update test/vm/machines.mjs`);
  }
  await makeEntry(`kernel-${machineName(machine)}`, kernelRecipe(machine), (folder) => {
    const tree = path.join(folder, 'tree');
    // Kernels of 7.x are split into several packages.
    const depends = apt.field(`${name}:${debian}`, 'Depends') ?? '';
    const parts = [...depends.matchAll(/\blinux-(?:binary|modules|base)-[0-9][^ ,]*/gu)].map(([part]) => part);
    const packages = [name, ...parts.filter((part) => apt.has(part))];
    const versions = apt.unpack(
      packages.map((part) => `${part}:${debian}`),
      tree,
    );
    const modulesRoot = ['lib/modules', 'usr/lib/modules']
      .map((folderName) => path.join(tree, folderName))
      .find((folderName) => fs.existsSync(folderName));
    if (modulesRoot === undefined) throw new SetupError(`${name} holds no modules`);
    const release = fs.readdirSync(modulesRoot)[0];
    const find = (stem) => {
      const places = [path.join(tree, 'boot', `${stem}-${release}`), path.join(modulesRoot, release, stem)];
      const place = places.find((file) => fs.existsSync(file));
      if (place === undefined) throw new SetupError(`${name} holds no ${stem}`);
      return place;
    };
    const packed = fs.readFileSync(find('vmlinuz'));
    const image = kind === 'elf' ? elfOfBzImage(packed, tools.environment) : packed;
    checkImage(machine, image, name);
    fs.writeFileSync(path.join(folder, 'image'), image);
    const btf = btfOfImage(image);
    if (btf !== undefined) fs.writeFileSync(path.join(folder, 'btf'), btf);
    fs.copyFileSync(find('config'), path.join(folder, 'config'));
    fs.mkdirSync(path.join(folder, 'modules'));
    const order = collectModules(path.join(modulesRoot, release), modules, tools.environment);
    for (const [module, bytes] of order) fs.writeFileSync(path.join(folder, 'modules', `${module}.ko`), bytes);
    fs.rmSync(tree, { recursive: true });
    tell(`fetched ${name} ${versions[name]} in ${seconds(start)}`);
    return {
      release,
      package: name,
      version: versions[name],
      hasBtf: btf !== undefined,
      modules: order.map(([module]) => module),
    };
  });
}

/** What was unpacked has to be what QEMU is given. */
function checkImage({ architecture }, image, name) {
  const checks = {
    x64: () => image.toString('latin1', 0, 4) === '\x7fELF' && image.readUInt16LE(18) === 62,
    // Documentation/arch/arm64/booting.rst: "ARM\x64" at 56
    arm64: () => image.toString('latin1', 56, 60) === 'ARMd',
    // The boot PSW, or the "S390EP" mark of the entry point (arch/s390/boot/head.S)
    s390x: () => image.indexOf('S390EP') >= 0,
  };
  if (!checks[architecture]()) throw new SetupError(`${name} does not hold a kernel image of ${architecture}`);
}

export function seconds(start) {
  return `${((Date.now() - start) / 1000).toFixed(1)} s`;
}
