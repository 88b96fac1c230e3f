// docs/support.md says of each type of program and each way to attach it on which kernel it was seen to work. Here it is held to the
// code: the sections, the classes, and the tests that it names.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(__dirname, '../../..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const text = read('docs/support.md');

/** What stands between backquotes. */
const quoted = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/gu)].map(([, name = '']) => name);

function rowsOf(heading: string): string[][] {
  const part = text.split(/^## /mu).find((each) => each.startsWith(`${heading}\n`)) ?? '';
  const lines = part.split('\n').filter((line) => line.startsWith('| '));
  return lines.slice(2).map((line) =>
    line
      .slice(1, -1)
      .split(/(?<!\\)\|/u)
      .map((cell) => cell.trim()),
  );
}

const programs = rowsOf('Programs').map(([classes = '', sections = '', , runsOn = '', test = '']) => ({
  classes: quoted(classes),
  sections: quoted(sections),
  runsOn,
  tests: quoted(test),
}));
const links = rowsOf('Links').map(([classes = '', , pinned = '', test = '']) => ({
  classes: quoted(classes),
  pinned,
  tests: quoted(test),
}));

/** The kernels of the test matrix for x64, as docs/kernels.md names them. */
const kernels = [...read('docs/kernels.md').matchAll(/^- x64: linux-image-(\d+\.\d+)/gmu)].map(
  ([, version = '']) => version,
);

/** Classes of a folder that stand for something of the kernel's: what they extend does not. */
function classesIn(folder: string, base: RegExp, abstract: readonly string[]): string[] {
  const sources = readdirSync(path.join(root, folder)).map((file) => read(`${folder}/${file}`));
  const found = sources.flatMap((source) => [...source.matchAll(/^export (?:abstract )?class (\w+) extends (\w+)/gmu)]);
  return found
    .filter(([, name = '', parent = '']) => base.test(parent) && !abstract.includes(name))
    .map(([, name = '']) => name);
}

test('the tables are there', () => {
  expect(kernels).toContain('5.10');
  expect(programs.length).toBeGreaterThan(40);
  expect(links.length).toBeGreaterThan(15);
});

test('every section is in one row, and no other', () => {
  const table = read('lib/object/section-table.ts');
  const known = [...table.matchAll(/^ {2}rule\('([^'+]+)\+?'/gmu)].map(([, section = '']) => section);
  expect(known.length).toBeGreaterThan(100);
  expect(programs.flatMap(({ sections }) => sections).sort()).toEqual([...new Set(known)].sort());
});

test('every class of programs has a row', () => {
  const families = [
    'FunctionProgram',
    'KernelProbe',
    'KprobeMultiProgram',
    'UprobeMultiProgram',
    'RouteProgram',
    'CgroupProgram',
  ];
  const listed = new Set(programs.flatMap(({ classes }) => classes));
  const found = classesIn('lib/programs', /Program$|^KernelProbe$|^RawTracepoint$/u, families);
  expect(found.length).toBeGreaterThan(40);
  expect(found.filter((name) => !listed.has(name))).toEqual([]);
});

test('every class of links has a row, and only one', () => {
  const found = classesIn('lib/links', /Link$/u, ['UpdatableLink']);
  expect(links.flatMap(({ classes }) => classes).sort()).toEqual(found.sort());
});

test('every row of programs names a kernel of the matrix, or says why not', () => {
  for (const { classes, sections, runsOn } of programs) {
    const row = `${classes.join()} ${sections.join()}: ${runsOn}`;
    const [, version = ''] = /^(\d+\.\d+)(?:;|$)/u.exec(runsOn) ?? [];
    expect([row, kernels.includes(version) || /^not exercised: \w/u.test(runsOn)]).toEqual([row, true]);
  }
});

test('the tests that are named are there, and are of those classes', () => {
  for (const { classes, tests } of [...programs, ...links]) {
    for (const name of tests) {
      const file = `test/kernel/${name}.test.ts`;
      expect([file, existsSync(path.join(root, file))]).toEqual([file, true]);
      // The cases of `links` are a table of their own.
      const source = read(file) + (name === 'links' ? read('test/helpers/link-cases.ts') : '');
      const missing = classes.filter((each) => each !== 'Program' && !new RegExp(`\\b${each}\\b`, 'u').test(source));
      expect([file, missing]).toEqual([file, []]);
    }
  }
  const withoutTest = programs.filter(({ tests, runsOn }) => tests.length === 0 && !runsOn.startsWith('not exercised'));
  expect(withoutTest).toEqual([]);
});

test('every type of link that the kernel can pin is held to the rules of all', () => {
  const folder = path.join(root, 'lib/links');
  const sources = readdirSync(folder).map((file) => read(`lib/links/${file}`));
  const registered = sources.flatMap((source) =>
    [...source.matchAll(/registerLinkClass\(LinkType\.(?!UNSPEC)\w+, (\w+)\)/gu)].map(([, name = '']) => name),
  );
  const cases = read('test/helpers/link-cases.ts');
  const tested = new Set([...cases.matchAll(/linkClass: (\w+)/gu)].map(([, name]) => name));
  expect(registered.length).toBeGreaterThan(12);
  for (const name of registered) {
    expect([name, tested.has(name)]).toEqual([name, true]);
    expect([name, links.find(({ classes }) => classes.includes(name))?.pinned.startsWith('yes')]).toEqual([name, true]);
  }
});

test('tests that stand for those of Aya are there', () => {
  const rows = rowsOf('Tests of Aya');
  const files = new Set(rows.flatMap(([aya = '']) => quoted(aya)));
  expect(files.size).toBeGreaterThan(45);
  for (const [aya = '', shows = '', here = ''] of rows) {
    const named = [...here.matchAll(/`((?:kernel|unit)\/[\w/-]+)`: (\*[^*]+\*(?:, \*[^*]+\*)*)/gu)];
    expect([aya, shows, named.length > 0]).toEqual([aya, shows, true]);
    for (const [, file = '', titles = ''] of named) {
      const source = read(`test/${file}.test.ts`);
      const missing = [...titles.matchAll(/\*([^*]+)\*/gu)].filter(([, title = '']) => !hasTitle(source, title));
      expect([file, missing.map(([, title]) => title)]).toEqual([file, []]);
    }
  }
});

/** Whether a test's title begins so. */
function hasTitle(source: string, title: string): boolean {
  return ["'", '"', '`'].some((quote) => source.includes(`${quote}${title}`));
}
