// An object whose names are hostile, in the kernel: all that is printed of it, and of what fails, is harmless.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';

import { Ebpf, EbpfError, HashMap, MapType, ObjectSpec, RingBuffer, Xdp, disassemble } from '../../lib/index.js';
import { btfExtension } from '../helpers/btf-extension.js';
import { repository, RunningCommand } from '../helpers/command.js';
import { ObjectBuilder } from '../helpers/object-builder.js';

const hostileNames = ['\u001b[2J\u009b31m\r\n\u202ename', '__proto__', '\'*/`${process.exit()}"'];

// eslint-disable-next-line no-control-regex -- control characters are what this looks for
const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/u;

/** `r0 = 0`, without which `exit` is refused. */
const returnZero = [0xb7, 0, 0, 0, 0, 0, 0, 0];
const exit = [0x95, 0, 0, 0, 0, 0, 0, 0];

function expectHarmless(text: string): void {
  expect(text).not.toMatch(control);
}

/** A socket filter, a hash map and a variable of one name; with `code` that the verifier refuses, if it is to fail. */
function objectNamed(name: string, { refused }: { refused: boolean }): Uint8Array {
  const builder = new ObjectBuilder();
  const { btf, elf } = builder;
  const struct = btf.addStruct(name, 4, [{ name, type: builder.u32, bitOffset: 0, bitSize: 0 }]);
  builder.map(name, [
    ['type', builder.uint(MapType.HASH)],
    ['max_entries', builder.uint(4)],
    ['key', builder.typed(builder.u32)],
    ['value', builder.typed(struct)],
  ]);
  builder.variables('.data', [{ name: `${name}2`, type: struct, size: 4 }], Uint8Array.of(7, 0, 0, 0));
  const id = btf.addFunction(name, btf.addFunctionPrototype(builder.int, []), 1);
  const text = btf.string(`return ${name};`);
  const section = elf.code('socket', Uint8Array.of(...(refused ? [] : returnZero), ...exit));
  elf.function(name, section, 0, refused ? 8 : 16);
  elf.section({
    name: '.BTF.ext',
    bytes: btfExtension({
      functions: [[btf.string('socket'), [[0, id]]]],
      lines: [[btf.string('socket'), [[0, text, text, 1 << 10]]]],
      coreRelocations: [],
    }),
  });
  return builder.encode();
}

/** Of data, such as an error's properties, Node escapes all but overrides of direction. */
const inspected = (value: unknown): string => inspect(value).replaceAll('\u202e', '');

function messageOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (!EbpfError.is(error)) throw error;
    return `${error.message}\n${error.stack ?? ''}\n${inspected(error)}`;
  }
  throw new Error('nothing failed');
}

describe.each(hostileNames)('%j', (name) => {
  const warnings: string[] = [];
  const onWarning = (warning: Error): void => {
    if (warning.name === 'EbpfWarning') warnings.push(warning.message);
  };
  beforeEach(() => {
    warnings.length = 0;
    process.on('warning', onWarning);
  });
  afterEach(() => {
    process.off('warning', onWarning);
  });

  test('loaded, nothing that is shown of it has control characters', async () => {
    const spec = ObjectSpec.parse(objectNamed(name, { refused: false }), { name: `${name}.o` });
    const ebpf = await Ebpf.load(spec);
    try {
      const map = ebpf.map(name, HashMap<number, Record<string, number>>);
      map.set(1, { [name]: 2 });
      expect(Object.entries(map.get(1) ?? {})).toEqual([[name, 2]]);
      expect(Object.entries(ebpf.variable(`${name}2`).value as object)).toEqual([[name, 7]]);
      expect(({} as Record<string, unknown>)['2']).toBeUndefined();
      const shown = [ebpf, map, ebpf.program(name), ebpf.variable(`${name}2`), ebpf.maps];
      expectHarmless(shown.map((each) => inspect(each)).join('\n'));
      expectHarmless(inspected(ebpf.variables));
      expectHarmless(disassemble(spec, name));
      expectHarmless(
        [
          messageOf(() => ebpf.map(`${name}3`)),
          messageOf(() => ebpf.program(`${name}3`)),
          messageOf(() => ebpf.variable(`${name}3`)),
          messageOf(() => ebpf.map(name, RingBuffer)),
          messageOf(() => ebpf.program(name, Xdp)),
          messageOf(() => {
            map.set(1, { [`${name}4`]: 1 });
          }),
          messageOf(() => {
            ebpf.variable(`${name}2`).value = 'text';
          }),
        ].join('\n'),
      );
    } finally {
      await ebpf.close();
    }
    expectHarmless(warnings.join('\n'));
  });

  test('refused by the verifier, its error has none', async () => {
    const failure = await Ebpf.load(objectNamed(name, { refused: true }), { name: `${name}.o` }).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: 'ERR_EBPF_VERIFIER' });
    if (!EbpfError.is(failure)) throw new Error('no error of this library');
    expectHarmless(`${failure.message}\n${failure.stack ?? ''}\n${inspected(failure)}`);
    expectHarmless(warnings.join('\n'));
  });

  test('run from the command line, it prints none', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hostile-'));
    try {
      const file = join(folder, 'hostile.bpf.o');
      for (const refused of [false, true]) {
        writeFileSync(file, objectNamed(name, { refused }));
        const main = join(repository, 'dist/cli/main.js');
        const command = new RunningCommand(process.execPath, [main, 'run', file, '--duration', '0.1']);
        try {
          expect(await command.exit()).toBe(refused ? 1 : 0);
          expectHarmless(`${command.stdout}${command.stderr}`);
          expect(command.stdout).toContain(refused ? '' : '0 entries');
        } finally {
          await command.end();
        }
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
