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
