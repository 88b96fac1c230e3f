// Debian packages by name, through apt with lists and a cache of its own: the system's configuration is read to find the
// mirror and the keys, and nothing of the system changes. apt checks the signatures.
import fs from 'node:fs';
import path from 'node:path';
import { SetupError, findCommand, run, say } from '../../scripts/setup.mjs';
import { cacheFolder } from './cache.mjs';

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** The mirror that this Debian's own sources name for its release. */
function mirror() {
  const release = debianRelease();
  const format = '$(CREATED_BY) $(RELEASE) $(COMPONENT) $(REPO_URI)';
  const targets = run('apt-get', ['indextargets', '--format', format], { what: 'apt-get indextargets' });
  for (const line of targets.split('\n')) {
    const [kind, name, component, uri] = line.split(' ');
    if (kind === 'Packages' && name === release && component === 'main') return uri;
  }
  throw new SetupError(`apt's sources name no mirror of ${release} main: \`apt-get indextargets\` shows what there is`);
}

/** `bookworm`: the release that this machine runs. */
export function debianRelease() {
  const text = fs.existsSync('/etc/os-release') ? fs.readFileSync('/etc/os-release', 'utf8') : '';
  const id = /^ID="?([a-z]+)"?$/mu.exec(text)?.[1];
  const name = /^VERSION_CODENAME="?([a-z]+)"?$/mu.exec(text)?.[1];
  if (id !== 'debian' || name === undefined || findCommand('apt-get') === undefined || !fs.existsSync(keyring)) {
    throw new SetupError(
      'Debian packages are fetched with apt: this needs Debian 12 or later, with apt-get and ' +
        `${keyring}. On another system fill the cache on Debian and name it with NODE_EBPF_VM_CACHE`,
    );
  }
  return name;
}

/** `apt-get update` of private lists; `sources` are [suite, Debian architecture]. Lasts until `close`. */
export class PrivateApt {
  #folder;
  #options;

  constructor(sources, { knowInstalled = false } = {}) {
    const uri = mirror();
    fs.mkdirSync(cacheFolder(), { recursive: true });
    this.#folder = fs.mkdtempSync(path.join(cacheFolder(), 'apt-'));
    const inside = (name) => path.join(this.#folder, name);
    for (const name of ['lists/partial', 'archives/partial', 'empty']) fs.mkdirSync(inside(name), { recursive: true });
    const lines = sources.map(([suite, arch]) => `deb [arch=${arch} signed-by=${keyring}] ${uri} ${suite} main\n`);
    fs.writeFileSync(inside('sources.list'), lines.join(''));
    fs.writeFileSync(inside('status'), '');
    const architectures = [...new Set([hostArchitecture(), ...sources.map(([, arch]) => arch)])];
    const settings = {
      'Dir::State': this.#folder,
      'Dir::State::lists': inside('lists'),
      'Dir::State::status': knowInstalled ? '/var/lib/dpkg/status' : inside('status'),
      'Dir::Cache': this.#folder,
      'Dir::Cache::archives': inside('archives'),
      'Dir::Etc::sourcelist': inside('sources.list'),
      'Dir::Etc::sourceparts': inside('empty'),
      'Dir::Etc::preferences': inside('status'),
      'Dir::Etc::preferencesparts': inside('empty'),
      'APT::Architecture': hostArchitecture(),
      'APT::Sandbox::User': '',
      'Acquire::Languages': 'none',
      'Acquire::Retries': '3',
      'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled': 'false',
      'APT::Keep-Downloaded-Packages': 'true',
      'Debug::NoLocking': '1',
    };
    this.#options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    this.#options.push(...architectures.flatMap((name) => ['-o', `APT::Architectures::=${name}`]));
    try {
      this.#run('apt-get', '-q', 'update', '--error-on=any');
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Names of packages that match, the newest last, by Debian's order of versions. */
  packagesNamed(prefix, pattern) {
    const names = this.#run('apt-cache', 'pkgnames', prefix).split('\n');
    const compare = new Intl.Collator('en', { numeric: true }).compare;
    return names.filter((name) => pattern.test(name)).sort(compare);
  }

  /** Value of a field of a package's record, for the newest version that there is. */
  field(name, field) {
    const record = this.#run('apt-cache', 'show', '--no-all-versions', name);
    return new RegExp(`^${field}: (.*)$`, 'mu').exec(record)?.[1];
  }

  has(name) {
    const bare = name.replace(/:.*$/u, '');
    return this.#run('apt-cache', 'pkgnames', bare).split('\n').includes(bare);
  }

  /** Unpacks packages into a folder, without what they depend on. Returns name → version. */
  unpack(names, folder) {
    const debs = path.join(this.#folder, `download-${Date.now()}`);
    fs.mkdirSync(debs);
    this.#run('apt-get', '-q', 'download', ...names, { cwd: debs });
    return unpackFolder(debs, folder);
  }

  /** Unpacks packages and everything they need that is not installed on this machine. */
  unpackWithDependencies(names, folder, { release }) {
    const flags = ['-q', '-y', '--no-install-recommends', '--download-only', '-t', release];
    this.#run('apt-get', ...flags, 'install', ...names);
    return unpackFolder(path.join(this.#folder, 'archives'), folder);
  }

  close() {
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }

  #run(command, ...rest) {
    const last = rest.at(-1);
    const { cwd } = typeof last === 'object' ? rest.pop() : {};
    const what = `${command} ${rest.filter((word) => !word.startsWith('-')).join(' ')}`;
    return run(command, [...this.#options, ...rest], { what, cwd, timeout: 5 * 60_000 });
  }
}

export function hostArchitecture() {
  return run('dpkg', ['--print-architecture'], { what: 'dpkg --print-architecture' }).trim();
}

function unpackFolder(debs, folder) {
  const versions = {};
  fs.mkdirSync(folder, { recursive: true });
  for (const deb of fs
    .readdirSync(debs)
    .filter((name) => name.endsWith('.deb'))
    .sort()) {
    const [name, version] = decodeURIComponent(deb).split('_');
    versions[name] = version;
    run('dpkg-deb', ['-x', path.join(debs, deb), folder], { what: `unpacking ${deb}` });
  }
  if (Object.keys(versions).length === 0) throw new SetupError(`apt-get downloaded nothing into ${debs}`);
  return versions;
}

export function tell(line) {
  say(`vm: ${line}`);
}
