import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';

import { ProgramFile, userPlace } from '../../../lib/user-space/index.js';
import { testIf } from '../../helpers/skip.js';
import { codeShift, imageBytes, type ImageOptions } from '../../helpers/image-builder.js';

const buildId = '0123456789abcdef';
const symbols = [{ name: 'hidden', address: 0x1080, size: 16 }];

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-ebpf-debug-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function write(path: string, options: ImageOptions): Uint8Array {
  const bytes = imageBytes(options);
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), bytes);
  return bytes;
}

/** Where the file says that the function is which only its debugging symbols have. */
async function hidden(path: string, root = ''): Promise<number> {
  const file = await ProgramFile.open(join(folder, path), { root });
  try {
    return (await userPlace(file, { function: 'hidden' })).fileOffset;
  } finally {
    file.close();
  }
}

const place = 0x1080 - codeShift;
const missing = { code: 'ERR_EBPF_NOT_FOUND' };

test('debugging symbols are found by build id', async () => {
  write('app', { buildId });
  await expect(hidden('app', folder)).rejects.toMatchObject(missing);
  // The segments of such a file say nothing: its program's do.
  write(`usr/lib/debug/.build-id/01/${buildId.slice(2)}.debug`, { buildId, symbols, segments: [] });
  expect(await hidden('app', folder)).toBe(place);
  await expect(hidden('app')).rejects.toMatchObject(missing);
});

test.each(['lib/app.debug', 'lib/.debug/app.debug'])('debugging symbols are found by name in %s', async (path) => {
  write('lib/app', { buildId, debugLink: { file: 'app.debug', crc: 0 } });
  write(path, { buildId: 'ffff', symbols });
  await expect(hidden('lib/app')).rejects.toMatchObject(missing);
  write(path, { buildId, symbols });
  expect(await hidden('lib/app')).toBe(place);
});

test('without a build id, the checksum tells whether debugging symbols are of the same build', async () => {
  const crc = crc32(write('app.debug', { symbols }));
  write('app', { debugLink: { file: 'app.debug', crc } });
  expect(await hidden('app')).toBe(place);
  write('app', { debugLink: { file: 'app.debug', crc: crc ^ 1 } });
  await expect(hidden('app')).rejects.toMatchObject(missing);
});

test('of a process in a container, they are looked for in its file system', async () => {
  write('root/opt/app', { buildId, debugLink: { file: 'app.debug', crc: 0 } });
  write('root/usr/lib/debug/opt/app.debug', { buildId, symbols });
  expect(await hidden('root/opt/app', join(folder, 'root'))).toBe(place);
});

test('a name that leads elsewhere and files that are none are left alone', async () => {
  write('other/app.debug', { buildId, symbols });
  write('app', { buildId, debugLink: { file: '../other/app.debug', crc: 0 } });
  await expect(hidden('app')).rejects.toMatchObject(missing);
  write('app', { buildId, debugLink: { file: 'app.debug', crc: 0 } });
  writeFileSync(join(folder, 'app.debug'), 'nothing');
  await expect(hidden('app')).rejects.toMatchObject(missing);
  mkdirSync(join(folder, '.debug/app.debug'), { recursive: true });
  await expect(hidden('app')).rejects.toMatchObject(missing);
});

testIf(process.platform === 'linux', 'Linux')('no descriptor stays open', async () => {
  const before = readdirSync('/proc/self/fd').length;
  write('app', { buildId, debugLink: { file: 'app.debug', crc: 0 } });
  write('app.debug', { buildId: 'ffff', symbols });
  await expect(hidden('app')).rejects.toMatchObject(missing);
  write('app.debug', { buildId, symbols });
  await hidden('app');
  expect(readdirSync('/proc/self/fd').length).toBe(before);
});
