import { MapFlag, MapType, MapUpdateFlag } from '../abi/index.js';
import { UnsupportedError } from '../errors/index.js';
import { createMapNow, mapUpdate } from '../sys/index.js';

import { EEXIST } from './errno.js';

/** The first kernel whose tries look at the conditions of an update (eae6a075e953); stable kernels have it too. */
const since = '6.13';

let known: boolean | undefined;

/**
 * Throws {@link UnsupportedError} on kernels whose tries store whatever the condition: of these an update says nothing.
 * @internal
 */
export function requireTrieConditions(): void {
  known ??= tryCondition();
  if (known) return;
  throw new UnsupportedError(
    'conditions of LPM tries',
    `this kernel stores into a trie whether the key is there or not; ifAbsent and ifPresent need Linux ${since}`,
    { since },
  );
}

function tryCondition(): boolean {
  const sizes = { keySize: 8, valueSize: 4, maxEntries: 2 };
  const trie = createMapNow({ type: MapType.LPM_TRIE, name: 'probe', ...sizes, flags: MapFlag.NO_PREALLOC });
  try {
    const key = new Uint8Array(sizes.keySize);
    const value = new Uint8Array(sizes.valueSize);
    mapUpdate(trie, key, value, MapUpdateFlag.NOEXIST);
    return mapUpdate(trie, key, value, MapUpdateFlag.NOEXIST) === EEXIST;
  } finally {
    trie.close();
  }
}
