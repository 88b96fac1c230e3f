import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { SymbolBinding, SymbolType } from '../../../lib/elf/index.js';
import { ProgramFile, splitFunction, userPlace, type UserPlaceOptions } from '../../../lib/user-space/index.js';
import { codeShift, imageBytes } from '../../helpers/image-builder.js';

const folder = mkdtempSync(join(tmpdir(), 'node-ebpf-place-'));
const path = join(folder, 'made.so');
writeFileSync(
  path,
  imageBytes({
    versions: ['V1', 'V2'],
    dynamicSymbols: [
      { name: 'copy', address: 0x1000, size: 16, version: 0x8002 },
      { name: 'copy', address: 0x1010, size: 16, version: 3 },
      { name: 'chosen', address: 0x1020, size: 16, type: SymbolType.GNU_IFUNC },
      { name: 'weak', address: 0x1030, size: 16, binding: SymbolBinding.WEAK },
      { name: 'weak', address: 0x1040, size: 16 },
      { name: 'imported', address: 0, section: 0 },
    ],
    symbols: [
      { name: 'twice', address: 0x1050, size: 4, binding: SymbolBinding.LOCAL },
      { name: 'twice', address: 0x1060, size: 4, binding: SymbolBinding.LOCAL },
      { name: 'alias', address: 0x1070, size: 4 },
      { name: 'alias', address: 0x1070, size: 4 },
      { name: 'counter', address: 0x3000, size: 4, type: SymbolType.OBJECT },
      { name: 'main.(*T).a+b', address: 0x1080, size: 4 },
      { name: 'nowhere', address: 0x9000, size: 4 },
      { name: 'data', address: 0x3010, size: 4 },
    ],
  }),
);
let file: ProgramFile | undefined;
afterAll(() => {
  file?.close();
  rmSync(folder, { recursive: true });
});

async function place(options: UserPlaceOptions): Promise<[address: number, text: string]> {
  file ??= await ProgramFile.open(path);
  const { fileOffset, text } = await userPlace(file, options);
  return [fileOffset + codeShift, text];
}

test.each<[UserPlaceOptions, number, string]>([
  [{ function: 'copy' }, 0x1010, 'copy'],
  [{ function: 'copy@V1' }, 0x1000, 'copy@V1'],
  [{ function: 'copy@@V2' }, 0x1010, 'copy@@V2'],
  [{ function: 'copy@V1+4' }, 0x1004, 'copy@V1+4'],
  [{ function: 'copy+0xF' }, 0x101f, 'copy+0xF'],
  [{ function: 'weak' }, 0x1040, 'weak'],
  [{ function: 'alias' }, 0x1070, 'alias'],
  [{ function: 'main.(*T).a+b' }, 0x1080, 'main.(*T).a+b'],
  [{ function: 'main.(*T).a+b+2' }, 0x1082, 'main.(*T).a+b+2'],
  [{ address: 0x1001 }, 0x1001, '0x1001'],
  [{ offset: 0x204 }, 0x1004, '+0x204'],
])('%j is a place', async (options, address, text) => {
  expect(await place(options)).toEqual([address, text]);
});

test.each<[UserPlaceOptions, string, string]>([
  [{}, 'place', 'must be one of { function }, { offset } and { address }'],
  [{ offset: 1, address: 1 }, 'place', 'must be one of'],
  [{ function: '' }, 'function', "must be 'function' or 'function+offset'"],
  [{ function: 'a\0' }, 'function', "must be 'function' or 'function+offset'"],
  [{ function: 'weak+16' }, 'function', 'has 16 bytes; none of its instructions begins at 16'],
  [{ function: 'chosen' }, 'function', 'an indirect function'],
  [{ function: 'counter' }, 'function', 'is a variable, not a function'],
  [{ function: 'twice' }, 'function', 'has 2 functions named "twice", at 0x1050, 0x1060; give { address }'],
  [{ function: 'nowhere' }, 'function', 'has no code at 0x9000'],
  [{ function: 'data' }, 'function', 'has no code at 0x3010'],
  [{ address: 0x3000 }, 'address', 'has no code at 0x3000'],
  [{ address: 1.5 }, 'address', 'must be a safe integer'],
  [{ offset: -1 }, 'offset', 'must be a safe integer'],
  [{ offset: 0x400 }, 'offset', 'has no code at 0x3000'],
  [{ offset: 0x10_0000 }, 'offset', 'has no code at 0x100000'],
])('%j is none', async (options, at, message) => {
  await expect(place(options)).rejects.toMatchObject({
    code: 'ERR_EBPF_INVALID_VALUE',
    path: at,
    message: expect.stringContaining(message) as unknown,
  });
});

test.each(['imported', 'cop', 'copy@V3', 'copy@@V1', 'Alias'])('no function is named %s', async (name) => {
  await expect(place({ function: name })).rejects.toMatchObject({ code: 'ERR_EBPF_NOT_FOUND' });
});

test('the nearest names are told', async () => {
  await expect(place({ function: 'aliass' })).rejects.toMatchObject({ suggestions: ['alias'] });
});

test('an offset is what follows the last plus', () => {
  expect(splitFunction('malloc')).toEqual({ name: 'malloc', offset: 0 });
  expect(splitFunction('malloc+12')).toEqual({ name: 'malloc', offset: 12 });
  expect(splitFunction('malloc+0x1f')).toEqual({ name: 'malloc', offset: 31 });
  expect(splitFunction('operator+')).toEqual({ name: 'operator+', offset: 0 });
  expect(() => splitFunction('malloc+0x100000000')).toThrow(expect.objectContaining({ path: 'function' }));
});
