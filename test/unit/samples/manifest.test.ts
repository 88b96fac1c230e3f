import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

// That the objects are what the sources compile to only a compiler can tell (scripts/build-samples.mjs --check). That
// neither changed without the other is told by the manifest.
const folder = join(__dirname, '../../../bpf-samples');

interface Manifest {
  compiler: string;
  headers: string;
  objects: Record<string, { source: string; object: string }>;
}
const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest;

function hashOf(...names: string[]): string {
  const hash = createHash('sha256');
  for (const name of names) hash.update(readFileSync(join(folder, name)));
  return hash.digest('hex');
}

test.each(Object.entries(manifest.objects))('%s was compiled from the source beside it', (object, recorded) => {
  expect({ object: hashOf(object), source: hashOf(object.replace(/\.bpf(eb)?\.o$/, '.bpf.c')) }).toEqual(recorded);
});

test('every source, header and object is in the manifest', () => {
  const applications = readdirSync(join(folder, '../examples'), { withFileTypes: true }).filter((one) =>
    one.isDirectory(),
  );
  const files = ['', ...applications.map(({ name }) => `../examples/${name}/`)].flatMap((path) =>
    readdirSync(join(folder, path)).map((name) => `${path}${name}`),
  );
  expect(files.filter((name) => name.endsWith('.o')).sort()).toEqual(Object.keys(manifest.objects).sort());
  for (const source of files.filter((name) => name.endsWith('.bpf.c'))) {
    expect(Object.keys(manifest.objects)).toContain(source.replace(/c$/, 'o'));
  }
  const headers = readdirSync(join(folder, 'include')).sort();
  expect(hashOf(...headers.map((name) => join('include', name)))).toBe(manifest.headers);
  expect(manifest.compiler).toMatch(/clang version 19\./);
});

test('objects say nothing of the folder they were compiled in', () => {
  for (const object of Object.keys(manifest.objects)) {
    const text = readFileSync(join(folder, object), 'latin1');
    for (const [path] of text.matchAll(/[\w./-]+\.bpf\.c/g))
      expect(path).toMatch(/^(?:\.\/)?(?:\.\.\/examples\/[\w-]+\/)?[\w-]+\.bpf\.c$/);
  }
});

test('README.md lists every sample', () => {
  const readme = readFileSync(join(folder, 'README.md'), 'utf8');
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.bpf.c'))) {
    expect(readme).toContain(`| \`${name.replace('.bpf.c', '')}\` `);
  }
});
