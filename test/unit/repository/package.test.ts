import { readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(__dirname, '../../..');
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as Record<string, unknown>;
const lock = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, { version?: string; resolved?: string; optionalDependencies?: Record<string, string> }>;
};

describe('package.json', () => {
  test('installs with nothing run and little brought along', () => {
    expect(manifest).not.toHaveProperty('dependencies');
    expect(manifest).not.toHaveProperty('os');
    expect(manifest).not.toHaveProperty('cpu');
    // A binding.gyp makes npm compile at install time, unless this says no.
    expect(manifest['gypfile']).toBe(false);
    const scripts = Object.keys(manifest['scripts'] as object);
    expect(scripts).not.toEqual(expect.arrayContaining([expect.stringMatching(/^(pre|post)?install$|^prepare$/u)]));
  });

  test('has one entry, with its types first', () => {
    const entries = manifest['exports'] as Record<string, Record<string, string>>;
    expect(Object.entries(entries['.'] ?? {})).toEqual([
      ['types', './dist/index.d.ts'],
      ['default', './dist/index.js'],
    ]);
    expect(manifest).toMatchObject({ sideEffects: false, type: 'commonjs', engines: { node: '>=20.19.0' } });
  });
<<<<<<< HEAD

  test('publishes what was compiled, one file of types, and no sources', () => {
    const args = ['pack', '--dry-run', '--json', '--ignore-scripts'];
    const { status, stdout, stderr } = spawnSync('npm', args, { cwd: root, encoding: 'utf8' });
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
    const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
    const others = files.map((file) => file.path).filter((file) => !/^dist\/(?:[\w.-]+\/)*[\w.-]+\.js$/u.test(file));
    // The types are rolled up by `npm run build` only.
    const types = 'dist/index.d.ts';
    expect(others.filter((file) => file !== types && !file.endsWith('.node')).sort()).toEqual(
      [
        ...['LICENSE', 'LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'package.json', 'prebuilds/README.md'],
        'prebuilds/manifest.json',
        // For those who write programs.
        ...['bpf-samples/include/node_ebpf_events.h', 'bpf-samples/include/node_ebpf_log.h'],
      ].sort(),
    );
    expect(files.map((file) => file.path)).toEqual(expect.arrayContaining(['dist/index.js', 'dist/cli/main.js']));
  }, 30_000);
=======
>>>>>>> b0e92b3 (test/package: the tarball's exact contents, size, publint and attw; what binaries need of a system, who finds them; npm pack refuses stale ones)
});

describe('package-lock.json', () => {
  test('names no registry, so that any will do', () => {
    const resolved = Object.entries(lock.packages).filter(([, entry]) => entry.resolved !== undefined);
    expect(resolved).toEqual([]);
  });

  test('has the binaries of every platform, without which npm ci refuses it', () => {
    const missing: string[] = [];
    for (const [name, entry] of Object.entries(lock.packages)) {
      for (const [dependency, version] of Object.entries(entry.optionalDependencies ?? {})) {
        // Looked for as Node does: beside, then in each folder above.
        const folders = name
          .split('/node_modules/')
          .map((_, index, parts) => parts.slice(0, index + 1).join('/node_modules/'));
        const candidates = [
          ...folders.map((folder) => `${folder}/node_modules/${dependency}`),
          `node_modules/${dependency}`,
        ];
        if (!candidates.some((candidate) => lock.packages[candidate] !== undefined))
          missing.push(`${dependency}@${version}`);
      }
    }
    expect(missing).toEqual([]);
  });
});
