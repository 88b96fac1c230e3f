import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import ts from 'typescript';

/** The rooms that the codec stands on, as JavaScript that a child process without Jest can require. */
const rooms = ['errors', 'binary', 'abi', 'btf', 'codec'];
const lib = path.join(__dirname, '..', '..', '..', 'lib');
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'node-ebpf-codec-'));
  for (const room of rooms) {
    for (const file of readdirSync(path.join(lib, room), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts')) continue;
      mkdirSync(path.join(folder, room, path.dirname(file)), { recursive: true });
      // Not swc, which jest has: its binary is for one system.
      const { outputText } = ts.transpileModule(readFileSync(path.join(lib, room, file), 'utf8'), {
        compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.CommonJS },
      });
      writeFileSync(path.join(folder, room, file.replace(/\.ts$/, '.js')), outputText);
    }
  }
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const script = `
  const { struct, u8, u32, u64, cstr, array, LayoutCodec } = require('./codec/index.js');
  let allowed = true;
  try { new Function('return 1'); } catch (error) { allowed = !(error instanceof EvalError); }
  const Exec = struct('event', { ts: u64, pid: u32, ['__proto__']: u8, comm: cstr(16), list: array(u32, 40) });
  const view = new DataView(new ArrayBuffer(Exec.size));
  const list = Array.from({ length: 40 }, (_, index) => index);
  const event = Object.fromEntries([['ts', 5n], ['pid', 6], ['__proto__', 7], ['comm', 'bash'], ['list', list]]);
  const results = [Exec, new LayoutCodec(Exec.layout, { generateCode: true })].map((codec) => {
    codec.encode(event, view, 0);
    const value = codec.decode(view, 0);
    let refused;
    try { codec.encode({ ...event, pid: -1 }, view, 0); } catch (error) { refused = error.message; }
    return {
      entries: Object.entries(value).map(([name, part]) => [name, String(part)]),
      bytes: Buffer.from(view.buffer).toString('hex'),
      plain: Object.getPrototypeOf(value) === Object.prototype,
      refused,
    };
  });
  console.log(JSON.stringify({ allowed, results }));
`;

function run(...flags: string[]): { allowed: boolean; results: Record<string, unknown>[] } {
  const output = execFileSync(process.execPath, [...flags, '-e', script], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 20_000,
  });
  return JSON.parse(output) as { allowed: boolean; results: Record<string, unknown>[] };
}

test('a process that forbids code generation gets the same values', () => {
  const free = run();
  const bound = run('--disallow-code-generation-from-strings');
  expect(free.allowed).toBe(true);
  expect(bound.allowed).toBe(false);
  expect(bound.results).toEqual(free.results);
  const [first] = free.results;
  expect(first).toMatchObject({
    plain: true,
    refused: 'value.pid: expected an integer from 0 to 4294967295 (u32), got -1',
  });
  expect(first?.['entries']).toContainEqual(['__proto__', '7']);
}, 30_000);
