// Random operations on a map in the kernel and on a model of it in JavaScript, which must agree after each.
import { isDeepStrictEqual } from 'node:util';

import { EbpfError, type KeyedMap, type SetOptions } from '../../../lib/index.js';
import type { Random } from './random.js';

/** The operations that a keyed map has; `take` and `drain` where its type and the kernel have them. */
export type SubjectMap<Key, Value> = Pick<
  KeyedMap<Key, Value>,
  'get' | 'has' | 'set' | 'delete' | 'clear' | 'count' | 'lookupBatch' | 'updateBatch' | 'deleteBatch' | 'entries'
> & {
  take?(key: Key): Value | undefined;
  drain?(limit?: number): [Key, Value][];
};

/** A map in the kernel beside its model. */
export interface Subject<Key, Value> {
  readonly map: SubjectMap<Key, Value>;
  readonly model: Model<Key, Value>;
  key(random: Random): Key;
  value(random: Random): Value;
  /** Whether `take` works on this kernel. */
  readonly takes: boolean;
  /** Whether `set` may have conditions. */
  readonly conditions: boolean;
}

/** What a map should do. */
export interface Model<Key, Value> {
  readonly size: number;
  get(key: Key): Value | undefined;
  /** Whether exactly this key is there. */
  holds(key: Key): boolean;
  /** 'full' when there is no room. */
  set(key: Key, value: Value): 'stored' | 'full';
  delete(key: Key): boolean;
  clear(): void;
  entries(): [Key, Value][];
}

/** Of a thousand operations, how many are of each kind; the rest are `set` and `get`. */
const SELDOM = 4;

/** Throws when map and model differ. Returns how many operations were done of each kind. */
export function compareRandomly<Key, Value>(
  subject: Subject<Key, Value>,
  random: Random,
  operations: number,
): Record<string, number> {
  const done: Record<string, number> = {};
  for (let number = 0; number < operations; number++) {
    const name = chooseOperation(subject, random);
    done[name] = (done[name] ?? 0) + 1;
    try {
      perform(name, subject, random);
    } catch (error) {
      throw new Error(`operation ${number}, ${name}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }
  compareAll(subject);
  return done;
}

function chooseOperation<Key, Value>({ takes, conditions }: Subject<Key, Value>, random: Random): string {
  const dice = random.below(1000);
  if (dice < SELDOM) return random.pick(['entries', 'lookupBatch', 'count', 'drain', 'clear']);
  if (dice < 5 * SELDOM) return random.pick(['updateBatch', 'deleteBatch']);
  if (dice < 250) return 'delete';
  if (dice < 320 && takes) return 'take';
  if (dice < 420 && conditions) return random.pick(['ifAbsent', 'ifPresent']);
  if (dice < 500) return 'has';
  return dice < 760 ? 'set' : 'get';
}

function perform<Key, Value>(name: string, subject: Subject<Key, Value>, random: Random): void {
  const { map, model } = subject;
  const key = subject.key(random);
  switch (name) {
    case 'get':
      same(map.get(key), model.get(key), key);
      return;
    case 'has':
      same(map.has(key), model.get(key) !== undefined, key);
      return;
    case 'set':
      store(subject, key, subject.value(random), undefined);
      return;
    case 'ifAbsent':
      store(subject, key, subject.value(random), { ifAbsent: true });
      return;
    case 'ifPresent':
      store(subject, key, subject.value(random), { ifPresent: true });
      return;
    case 'delete':
      same(map.delete(key), model.delete(key), key);
      return;
    case 'take':
      same(map.take?.(key), model.get(key), key);
      model.delete(key);
      return;
    case 'updateBatch':
      storeMany(subject, random);
      return;
    case 'deleteBatch': {
      const keys = Array.from({ length: random.below(20) }, () => subject.key(random));
      same(map.deleteBatch(keys), keys.filter((each) => model.delete(each)).length, keys);
      return;
    }
    case 'count':
      same(map.count(), model.size, undefined);
      return;
    case 'clear':
      // Seldom: most operations are to meet a map that holds something.
      if (random.below(4) > 0) return;
      map.clear();
      model.clear();
      return;
    case 'drain':
      if (map.drain === undefined || random.below(4) > 0) return;
      sameEntries(map.drain(), model.entries());
      model.clear();
      return;
    case 'lookupBatch':
      sameEntries(inBatches(map, 1 + random.below(40)), model.entries());
      return;
    default:
      compareAll(subject);
  }
}

function store<Key, Value>(subject: Subject<Key, Value>, key: Key, value: Value, options?: SetOptions): void {
  const { map, model } = subject;
  const forbidden =
    (options?.ifAbsent === true && model.holds(key)) || (options?.ifPresent === true && !model.holds(key));
  const expected = forbidden ? false : model.set(key, value) === 'stored' ? true : 'full';
  let stored: boolean | 'full';
  try {
    stored = map.set(key, value, options);
  } catch (error) {
    if (!EbpfError.is(error) || error.errnoName !== 'E2BIG') throw error;
    stored = 'full';
  }
  same(stored, expected, key);
}

function storeMany<Key, Value>(subject: Subject<Key, Value>, random: Random): void {
  const { map, model } = subject;
  const entries = Array.from({ length: random.below(20) }, (): [Key, Value] => [
    subject.key(random),
    subject.value(random),
  ]);
  const full = entries.findIndex(([key, value]) => model.set(key, value) === 'full');
  try {
    same(map.updateBatch(entries), entries.length, entries);
    same(full, -1, entries);
  } catch (error) {
    if (!EbpfError.is(error) || error.errnoName !== 'E2BIG') throw error;
    same(error.message.includes(`store more than ${full} of ${entries.length} entries in`), true, error.message);
  }
}

function inBatches<Key, Value>(map: SubjectMap<Key, Value>, count: number): [Key, Value][] {
  const all: [Key, Value][] = [];
  for (let cursor: Parameters<typeof map.lookupBatch>[1]; ;) {
    const batch = map.lookupBatch(count, cursor);
    all.push(...batch.entries);
    if (batch.cursor === undefined) return all;
    cursor = batch.cursor;
  }
}

function compareAll<Key, Value>({ map, model }: Subject<Key, Value>): void {
  sameEntries([...map.entries()], model.entries());
}

function sameEntries<Key, Value>(found: [Key, Value][], expected: [Key, Value][]): void {
  const inOrder = (entries: [Key, Value][]): string[] => entries.map((entry) => text(entry)).sort();
  same(inOrder(found), inOrder(expected), undefined);
}

function same(found: unknown, expected: unknown, about: unknown): void {
  if (isDeepStrictEqual(found, expected)) return;
  throw new Error(`${text(about)}: the map says ${text(found)}, the model ${text(expected)}`);
}

function text(value: unknown): string {
  if (value === undefined) return 'nothing';
  return JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? `${each}n` : each));
}
