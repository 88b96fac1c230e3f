import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';

import { bytesInMemory } from '../../../lib/elf/index.js';
import { EbpfError } from '../../../lib/errors/index.js';
import { archiveMember } from '../../../lib/user-space/archive.js';
import { openTarget, userPlace } from '../../../lib/user-space/index.js';
import { archive, type Member } from '../../helpers/archive.js';
import { codeShift, imageBytes } from '../../helpers/image-builder.js';

const library = imageBytes({ symbols: [{ name: 'work', address: 0x1010, size: 16 }] });
const members: Member[] = [
  { name: 'classes.dex', bytes: Buffer.from('dex') },
  { name: 'lib/packed.so', bytes: library, method: 8 },
  { name: 'lib/libwork.so', bytes: library, extra: 5 },
];

async function place(bytes: Uint8Array, name: string): Promise<unknown> {
  return archiveMember(bytesInMemory(bytes, 'base.apk'), name);
}

test('a stored member is found, comments and extra fields or not', async () => {
  for (const comment of ['', 'PK\u0005\u0006 is no end of a directory'.padEnd(60)]) {
    const bytes = archive(members, comment);
    const { offset, size } = (await place(bytes, 'lib/libwork.so')) as { offset: number; size: number };
    expect(Buffer.from(bytes.subarray(offset, offset + size)).equals(library)).toBe(true);
  }
});

test('what is compressed, missing or no archive is refused', async () => {
  await expect(place(archive(members), 'lib/packed.so')).rejects.toMatchObject({
    code: 'ERR_EBPF_INVALID_VALUE',
    message: expect.stringContaining('compressed') as unknown,
  });
  await expect(place(archive(members), 'lib/libwrok.so')).rejects.toMatchObject({
    code: 'ERR_EBPF_NOT_FOUND',
    suggestions: ['lib/libwork.so'],
  });
  await expect(place(library, 'x')).rejects.toMatchObject({ code: 'ERR_EBPF_OBJECT_FORMAT' });
  await expect(place(new Uint8Array(0), 'x')).rejects.toMatchObject({ code: 'ERR_EBPF_OBJECT_FORMAT' });
});

test('a damaged archive is read or refused', async () => {
  const whole = archive(members);
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), async (at, value) => {
      const bytes = whole.slice();
      // Most of it is the members' own.
      bytes[at % 2 === 0 ? at : whole.length - 1 - (at % 250)] = value;
      await place(bytes, 'lib/libwork.so').catch((error: unknown) => {
        if (!EbpfError.is(error)) throw error;
      });
    }),
    { numRuns: 500 },
  );
});

test('a place in a member is one in the archive', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'node-ebpf-archive-'));
  try {
    const path = join(folder, 'base.apk');
    const bytes = archive(members);
    writeFileSync(path, bytes);
    const { offset } = (await place(bytes, 'lib/libwork.so')) as { offset: number };
    const file = await openTarget(`${path}!/lib/libwork.so`);
    expect(file.path).toBe(path);
    expect(file.name).toBe(`${path}!/lib/libwork.so`);
    const { fileOffset } = await userPlace(file, { function: 'work+4' });
    expect(fileOffset).toBe(offset + 0x1014 - codeShift);
    expect((await userPlace(file, { offset: 0x214 })).fileOffset).toBe(offset + 0x214);
    file.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
