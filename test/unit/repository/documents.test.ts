import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(__dirname, '../../..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  'UPGRADING.md',
  '.github/workflows/release.yml',
  'docs/architecture.md',
  'docs/deployment.md',
  'docs/electron.md',
  'docs/getting-started.md',
  'docs/network.md',
  'docs/objects.md',
  'docs/performance.md',
  'docs/support.md',
  'docs/tracing.md',
  'docs/troubleshooting.md',
  'prebuilds/README.md',
];

interface Room {
  imports: string[];
  pure?: boolean;
}

function roomsOfTheRule(): Record<string, Room> {
  const script = `import { rooms } from './scripts/eslint/rooms.mjs'; console.log(JSON.stringify(rooms));`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root, encoding: 'utf8' });
  if (child.status !== 0) throw new Error(child.stderr);
  return JSON.parse(child.stdout) as Record<string, Room>;
}

describe('docs/architecture.md', () => {
  const text = read('docs/architecture.md');
  const rows = [...text.matchAll(/^\| `([\w-]+)` \| [^|]+ \| ([^|]+) \|$/gmu)].map(([, room = '', imports = '']) => ({
    room,
    imports: imports.trim() === '–' ? [] : imports.split(',').map((name) => name.trim()),
  }));

  test('has the table of rooms that lint enforces', () => {
    const rule = Object.entries(roomsOfTheRule()).map(([room, { imports }]) => ({ room, imports }));
    expect(rows).toEqual(rule);
  });

  test('calls those rooms pure that lint holds to it', () => {
    const pure = Object.entries(roomsOfTheRule()).flatMap(([room, { pure: isPure }]) =>
      isPure === true ? [room] : [],
    );
    expect(text).toContain(`Rooms from \`${pure[0] ?? ''}\` to \`${pure.at(-1) ?? ''}\` are pure`);
    expect(rows.slice(0, pure.length).map(({ room }) => room)).toEqual(pure);
  });
});

describe('documents', () => {
  test.each(documents)('%s: what it links to exists', (document) => {
    const links = [...read(document).matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/gu)].map(
      ([, target = '']) => target,
    );
    const missing = links.filter((target) => !existsSync(path.resolve(root, path.dirname(document), target)));
    expect(missing).toEqual([]);
  });

  test.each(documents)('%s: files it names exist', (document) => {
    // Paths that only a build or a release makes are not in a clone.
    const made = /^(dist|build|temp|prebuilds)\//u;
    const names = [
      ...read(document).matchAll(/`((?:lib|scripts|test|docs|etc|native|examples|bpf-samples|\.ci)\/[\w./-]+)`/gu),
    ];
    const missing = names
      .map(([, name = '']) => name)
      .filter((name) => !made.test(name) && !existsSync(path.join(root, name)));
    expect(missing).toEqual([]);
  });

  test.each(documents)('%s: npm scripts it names exist', (document) => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const names = [...read(document).matchAll(/npm run ([\w:]+)/gu)].map(([, name = '']) => name);
    expect(names.filter((name) => scripts[name] === undefined)).toEqual([]);
  });

  test('docs/troubleshooting.md has a section for each code of an error, and for no other', () => {
    const [, union = ''] = /export type EbpfErrorCode =([^;]+);/u.exec(read('lib/errors/ebpf-error.ts')) ?? [];
    const codes = [...union.matchAll(/'(ERR_EBPF_\w+)'/gu)].map(([, code = '']) => code);
    const sections = [...read('docs/troubleshooting.md').matchAll(/^### `(ERR_\w+)`$/gmu)].map(([, code = '']) => code);
    expect(codes.length).toBeGreaterThan(5);
    expect(sections.sort()).toEqual(codes.sort());
  });

  test('README.md: its examples are the files of examples/, word for word', () => {
    const shown = [...read('README.md').matchAll(/<!-- (examples\/[\w.-]+) -->\n+```\w+\n([\s\S]*?)```/gu)];
    expect(shown.length).toBeGreaterThan(0);
    for (const [, file = '', text = ''] of shown) expect({ file, text }).toEqual({ file, text: read(file) });
  });
});
