import { readdirSync } from 'node:fs';
import path from 'node:path';
import { spawnSync } from 'node:child_process';

const root = path.resolve(__dirname, '../../..');

interface Message {
  ruleId: string | null;
  message: string;
}

/** Lints texts as if they were these files, with the project's own configuration and only the rule between rooms. */
function lint(cases: readonly { file: string; text: string }[]): Message[][] {
  // ESLint's configuration is an ES module, which Jest's module system does not load: a process of its own does.
  const script = `
    import { ESLint } from 'eslint';
    import tseslint from 'typescript-eslint';
    import rooms from './scripts/eslint/room-imports.mjs';
    const eslint = new ESLint({
      overrideConfigFile: true,
      overrideConfig: [{
        files: ['**/*.ts'],
        languageOptions: { parser: tseslint.parser },
        plugins: { rooms },
        rules: { 'rooms/room-imports': 'error' },
      }],
    });
    const results = [];
    for (const { file, text } of ${JSON.stringify(cases)}) {
      const [result] = await eslint.lintText(text, { filePath: file });
      results.push(result.messages.map(({ ruleId, message }) => ({ ruleId, message })));
    }
    process.stdout.write(JSON.stringify(results));`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root, encoding: 'utf8' });
  if (child.status !== 0) throw new Error(child.stderr);
  return JSON.parse(child.stdout) as Message[][];
}

const wrong: [why: string, file: string, text: string, message: RegExp][] = [
  [
    'a room below enters one above',
    'lib/elf/elf-file.ts',
    `import { Btf } from '../btf/index.js';`,
    /^room "btf" entered wrongly: room "elf" may import binary, errors, not btf$/u,
  ],
  [
    'a type is an arrow as well',
    'lib/btf/btf.ts',
    `import type { ObjectSpec } from '../object/index.js';`,
    /^room "object" entered wrongly: room "btf" may import binary, abi, errors, not object$/u,
  ],
  [
    'a type written in place',
    'lib/btf/btf.ts',
    `export type Spec = import('../object/index.js').ObjectSpec;`,
    /^room "object" entered wrongly/u,
  ],
  ['an import made late', 'lib/asm/print.ts', `await import('../kernel/index.js');`, /^room "kernel" entered wrongly/u],
  ['a re-export', 'lib/sys/index.ts', `export * from '../btf/index.js';`, /^room "btf" entered wrongly: room "sys"/u],
  ['CommonJS', 'lib/sys/addon.ts', `require('../maps/index.js');`, /^room "maps" entered wrongly: room "sys"/u],
  [
    'programs use links, never the reverse',
    'lib/links/link.ts',
    `import '../programs/index.js';`,
    /"programs" entered/u,
  ],
  ['only links read ELF', 'lib/maps/hash-map.ts', `import '../elf/index.js';`, /^room "elf" entered wrongly/u],
  [
    'past the door',
    'lib/object/object-spec.ts',
    `import { ElfFile } from '../elf/elf-file.js';`,
    /^room "elf" entered wrongly: its door is lib\/elf\/index\.ts, not \.\.\/elf\/elf-file\.js$/u,
  ],
  [
    'a live builtin in a pure room',
    'lib/relocate/relocate.ts',
    `import { readFileSync } from 'node:fs';`,
    /^room "relocate" is pure and may not import node:fs/u,
  ],
  [
    'a live global in a pure room',
    'lib/codec/struct.ts',
    `export const os = process.platform;`,
    /the global "process"/u,
  ],
  [
    'a builtin without node:',
    'lib/kernel/btf.ts',
    `import { readFile } from 'fs/promises';`,
    /^write node:fs\/promises/u,
  ],
  ['a package', 'lib/sys/addon.ts', `import 'bindings';`, /^lib\/ has no run-time dependency "bindings"$/u],
  [
    'what is above all rooms',
    'lib/maps/hash-map.ts',
    `import { Ebpf } from '../ebpf.js';`,
    /lib\/ebpf\.js is above all/u,
  ],
  [
    'the command line is a user',
    'lib/cli/run.ts',
    `import '../sys/index.js';`,
    /may import public API, compile-cache, not sys$/u,
  ],
  [
    'an example, past the package',
    'examples/a/main.ts',
    `import { Ebpf } from '../../lib/index.js';`,
    /^examples import 'node-ebpf'/u,
  ],
  ['the command line, past the door', 'lib/cli/run.ts', `import { Ebpf } from '../ebpf.js';`, /^wrong door/u],
  [
    'what is not published',
    'lib/ebpf.ts',
    `import '../test/helpers/skip.js';`,
    /^lib\/ may not import .*not published$/u,
  ],
  ['an unknown room', 'lib/attic/box.ts', `export const box = 1;`, /^room "attic" is not in the table of rooms/u],
  [
    'a unit test of another room',
    'test/unit/elf/elf.test.ts',
    `import '../../../lib/sys/index.js';`,
    /^room "sys" entered/u,
  ],
  [
    'a kernel test of no room',
    'test/kernel/execsnoop.test.ts',
    `import '../../lib/sys/index.js';`,
    /may import public API/u,
  ],
];

const right: [why: string, file: string, text: string][] = [
  ['an arrow of the table', 'lib/object/object-spec.ts', `import { ElfFile } from '../elf/index.js';`],
  ['inside a room', 'lib/object/object-spec.ts', `import { MapSpec } from './map-spec.js';`],
  ['deeper inside a room', 'lib/object/sections/table.ts', `import { MapSpec } from '../map-spec.js';`],
  ['links read ELF', 'lib/links/uprobe.ts', `import { ElfFile } from '../elf/index.js';`],
  ['programs make links', 'lib/programs/program.ts', `import { Link } from '../links/index.js';`],
  ['a builtin that touches nothing', 'lib/errors/errno.ts', `import { getSystemErrorName } from 'node:util';`],
  ['a name that touches nothing', 'lib/btf/words.ts', `import { endianness } from 'node:os';`],
  ['a clock', 'lib/codec/boot-time.ts', `export const now = process.hrtime.bigint();`],
  ['live builtins in live rooms', 'lib/kernel/kernel-btf.ts', `import { readFile } from 'node:fs/promises';`],
  ['a property of that name', 'lib/codec/struct.ts', `export const f = (o: { process: number }) => o.process;`],
  ['above all rooms', 'lib/ebpf.ts', `import { relocate } from './relocate/index.js';`],
  ['the public API', 'lib/cli/run.ts', `import { Ebpf } from '../index.js';`],
  ['a unit test past its own door', 'test/unit/elf/elf.test.ts', `import '../../../lib/elf/elf-constants.js';`],
  ['what a unit test feeds its room', 'test/unit/object/spec.test.ts', `import '../../../lib/btf/index.js';`],
  ['a kernel test of a room', 'test/kernel/sys-maps.test.ts', `import '../../lib/sys/index.js';`],
  ['a child of a kernel test', 'test/kernel/sys-children/lifetime.ts', `import '../../../lib/sys/index.js';`],
  ['helpers of any test', 'test/helpers/elf-builder.ts', `import { ByteWriter } from '../../lib/binary/index.js';`],
  ['the public API in a test', 'test/kernel/execsnoop.test.ts', `import { Ebpf } from '../../lib/index.js';`],
];

describe('the rule between rooms', () => {
  const cases = [...wrong, ...right].map(([, file, text]) => ({ file, text: `${text}\n` }));
  let results: Message[][];
  beforeAll(() => {
    results = lint(cases);
  }, 60_000);

  test.each(wrong.map((row, index) => [...row, index] as const))(
    'forbids: %s',
    (_why, _file, _text, message, index) => {
      expect(results[index]).toEqual([
        { ruleId: 'rooms/room-imports', message: expect.stringMatching(message) as string },
      ]);
    },
  );

  test.each(right.map((row, index) => [...row, wrong.length + index] as const))(
    'allows: %s',
    (_why, _file, _text, index) => {
      expect(results[index]).toEqual([]);
    },
  );

  test('is on in the configuration that npm run lint uses', () => {
    const eslint = path.join(root, 'node_modules/eslint/bin/eslint.js');
    const child = spawnSync(process.execPath, [eslint, '--print-config', 'lib/elf/index.ts'], {
      cwd: root,
      encoding: 'utf8',
    });
    const config = JSON.parse(child.stdout) as { rules: Record<string, unknown> };
    expect(config.rules['rooms/room-imports']).toEqual([2]);
  }, 60_000);

  test('its table has every room of lib/', () => {
    const folders = readdirSync(path.join(root, 'lib'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const script = `import { rooms } from './scripts/eslint/rooms.mjs'; console.log(JSON.stringify(Object.keys(rooms)));`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root, encoding: 'utf8' });
    expect(JSON.parse(child.stdout)).toEqual(expect.arrayContaining(folders.map((folder) => folder.name)));
  });
});
