import { statSync } from 'node:fs';

import { UnsupportedError, UsageError, quote } from '../errors/index.js';
import { processMaps, type ProgramFile, type UsdtPlace } from '../user-space/index.js';

/**
 * Where the places of a probe are in memory, which is what programs find their arguments by on kernels before 5.15: as the
 * file was linked, or as a process has it.
 *
 * @throws {UnsupportedError} when it depends on the process, and none is given; {@link UsageError} for a process that does
 * not run the file.
 */
export async function usdtAddresses(
  file: ProgramFile,
  places: readonly UsdtPlace[],
  pid: number | undefined,
): Promise<bigint[]> {
  if (file.image.hasFixedAddresses) return places.map(({ address }) => BigInt(address));
  if (pid === undefined) {
    throw new UnsupportedError(
      `probes of ${quote(file.name)} in every process`,
      'this kernel has no cookies, and the file is elsewhere in the memory of each process: give { pid }',
      { since: '5.15' },
    );
  }
  const inode = statSync(file.path).ino;
  const code = (await processMaps(pid)).filter((each) => each.inode === inode && each.permissions.charAt(2) === 'x');
  return places.map(({ fileOffset }) => {
    const found = code.find(({ start, end, offset }) => fileOffset >= offset && fileOffset < offset + end - start);
    if (found !== undefined) return BigInt(found.start - found.offset + fileOffset);
    throw UsageError.invalidValue('pid', `process ${pid} does not have ${quote(file.name)} in memory`);
  });
}
