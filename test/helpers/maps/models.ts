import type { LpmKey } from '../../../lib/index.js';
import type { Model } from './operations.js';

/** A hash of `capacity` entries. */
export class HashModel<Key, Value> implements Model<Key, Value> {
  readonly #map = new Map<Key, Value>();
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#map.size;
  }

  get(key: Key): Value | undefined {
    return this.#map.get(key);
  }

  holds(key: Key): boolean {
    return this.#map.has(key);
  }

  set(key: Key, value: Value): 'stored' | 'full' {
    if (!this.#map.has(key) && this.#map.size === this.#capacity) return 'full';
    this.#map.set(key, value);
    return 'stored';
  }

  delete(key: Key): boolean {
    return this.#map.delete(key);
  }

  clear(): void {
    this.#map.clear();
  }

  entries(): [Key, Value][] {
    return [...this.#map];
  }
}

/** A trie of keys of 32 bits, which looks at all prefixes to find the longest. It never fills up. */
export class TrieModel<Value> implements Model<LpmKey, Value> {
  readonly #map = new Map<string, [LpmKey, Value]>();

  get size(): number {
    return this.#map.size;
  }

  get({ prefixLength, data }: LpmKey): Value | undefined {
    for (let length = prefixLength; length >= 0; length--) {
      const found = this.#map.get(nameOf({ prefixLength: length, data }));
      if (found !== undefined) return found[1];
    }
    return undefined;
  }

  holds(key: LpmKey): boolean {
    return this.#map.has(nameOf(key));
  }

  set(key: LpmKey, value: Value): 'stored' {
    this.#map.set(nameOf(key), [key, value]);
    return 'stored';
  }

  delete(key: LpmKey): boolean {
    return this.#map.delete(nameOf(key));
  }

  clear(): void {
    this.#map.clear();
  }

  entries(): [LpmKey, Value][] {
    return [...this.#map.values()];
  }
}

/** The bits that count. */
function nameOf({ prefixLength, data }: LpmKey): string {
  const bits = [...data].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return bits.slice(0, prefixLength);
}
