import { MapUpdateFlag } from '../abi/index.js';
import { UsageError } from '../errors/index.js';

/** On which condition `set` stores. At most one may be true. */
export interface SetOptions {
  /** Store only when the key is not there. */
  readonly ifAbsent?: boolean | undefined;
  /** Store only when the key is there. */
  readonly ifPresent?: boolean | undefined;
}

/** The kernel's flag for a condition. @internal */
export function updateFlag(options: SetOptions | undefined): number {
  if (options === undefined) return MapUpdateFlag.ANY;
  const { ifAbsent = false, ifPresent = false } = options;
  if (ifAbsent && ifPresent) {
    throw UsageError.invalidValue('options', 'ifAbsent and ifPresent exclude each other');
  }
  if (ifAbsent) return MapUpdateFlag.NOEXIST;
  return ifPresent ? MapUpdateFlag.EXIST : MapUpdateFlag.ANY;
}
