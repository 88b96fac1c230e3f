import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { SymbolType } from '../../../lib/elf/index.js';
import { ProgramFile, choosePlaces, type UserPlaceChoice } from '../../../lib/user-space/index.js';
import { imageBytes } from '../../helpers/image-builder.js';

const folder = mkdtempSync(join(tmpdir(), 'node-ebpf-choice-'));
const path = join(folder, 'made.so');
writeFileSync(
  path,
  imageBytes({
    versions: ['V1', 'V2'],
    dynamicSymbols: [
      { name: 'ssl_read', address: 0x1000, size: 16, version: 2 },
      { name: 'ssl_write', address: 0x1010, size: 16, version: 0x8002 },
      { name: 'ssl_write', address: 0x1020, size: 16, version: 3 },
      { name: 'ssl_chosen', address: 0x1030, size: 16, type: SymbolType.GNU_IFUNC },
    ],
    symbols: [
      { name: 'ssl_read', address: 0x1000, size: 16 },
      { name: 'ssl_peek', address: 0x1040, size: 16 },
      { name: 'ssl_data', address: 0x3000, size: 16 },
      { name: 'main.(*T).run', address: 0x1050, size: 16 },
      { name: 'main.XT).run', address: 0x1060, size: 16 },
    ],
  }),
);
afterAll(() => {
  rmSync(folder, { recursive: true });
});

async function chosen(...choices: UserPlaceChoice[]): Promise<string[]> {
  const file = await ProgramFile.open(path);
  try {
    return (await choosePlaces(file, choices)).map(({ text }) => text);
  } finally {
    file.close();
  }
}

test.each<[string, UserPlaceChoice[], string[]]>([
  ['a name', ['ssl_read'], ['ssl_read']],
  ['a name twice', ['ssl_read', { function: 'ssl_read' }, { address: 0x1000 }], ['ssl_read']],
  ['a pattern', ['ssl_*'], ['ssl_read', 'ssl_write@V1', 'ssl_write', 'ssl_peek']],
  ['a pattern of one letter', ['ssl_?e*'], ['ssl_read', 'ssl_peek']],
  ['an expression', [/ee[k]/], ['ssl_peek']],
  ['an expression with a position', [/ssl_r/y], ['ssl_read']],
  ['a pattern and a place', ['*peek', { offset: 0x204 }], ['ssl_peek', '+0x204']],
  ['a name with a star, as such', [{ function: 'main.(*T).run' }], ['main.(*T).run']],
  ['a name with a star, as a pattern', ['main.*T).run'], ['main.(*T).run', 'main.XT).run']],
])('%s', async (_, choices, names) => {
  expect(await chosen(...choices)).toEqual(names);
});

test.each<[UserPlaceChoice, string]>([
  ['tls_*', 'ERR_EBPF_NOT_FOUND'],
  [/^read/, 'ERR_EBPF_NOT_FOUND'],
  ['ssl_chos?n', 'ERR_EBPF_NOT_FOUND'],
  ['ssl_dat?', 'ERR_EBPF_NOT_FOUND'],
  ['ssl_chosen', 'ERR_EBPF_INVALID_VALUE'],
  ['ssl_data', 'ERR_EBPF_INVALID_VALUE'],
])('%s stands for nothing', async (choice, code) => {
  await expect(chosen('ssl_read', choice)).rejects.toMatchObject({ code });
});
