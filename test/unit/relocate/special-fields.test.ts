import { MapFlag, MapType } from '../../../lib/abi/index.js';
import { Btf, BtfBuilder } from '../../../lib/btf/index.js';
import { UnsupportedError, UsageError } from '../../../lib/errors/index.js';
import { MapSpec } from '../../../lib/object/index.js';
import { relocate, type MapPlan } from '../../../lib/relocate/index.js';
import {
  refusedField,
  specialFields,
  unsupportedField,
  type SpecialField,
} from '../../../lib/relocate/special-fields.js';
import { facts, member, objectOf } from './fixtures.js';

const builder = new BtfBuilder({ littleEndian: true });
const u32 = builder.addInt('unsigned int', { size: 4 });
const lock = builder.addStruct('bpf_spin_lock', 4, [member('val', u32, 0)]);
const timer = builder.addStruct('bpf_timer', 16, []);
const list = builder.addStruct('bpf_list_head', 16, []);
const task = builder.addPointer(builder.addTypeTag('kptr', builder.addStruct('task_struct', 0, [])));
const page = builder.addPointer(builder.addTypeTag('uptr', u32));
const untagged = builder.addPointer(builder.addTypeTag('rcu', u32));
const locks = builder.addArray(lock, 2, u32);
const locked = builder.addStruct('locked', 8, [
  member('count', u32, 0),
  member('lock', builder.addTypedef('lock_t', lock), 32),
]);
const timed = builder.addStruct('timed', 16, [member('timer', timer, 0)]);
const listed = builder.addStruct('listed', 16, [member('head', list, 0)]);
const pointing = builder.addStruct('pointing', 16, [member('task', task, 0), member('plain', untagged, 64)]);
const mapping = builder.addStruct('mapping', 8, [member('page', page, 0)]);
const nested = builder.addStruct('nested', 16, [member('inner', locked, 0), member('locks', locks, 64)]);
const btf = Btf.parse(builder.encode(), { name: 'test.bpf.o' });

function plan(type: MapType, valueType: number, flags = 0): MapPlan | undefined {
  const spec = new MapSpec({ name: 'pairs', type, keySize: 4, keyType: u32, valueType, flags });
  return relocate(objectOf([], { maps: new Map([['pairs', spec]]), btf }), facts).maps[0];
}

test('are found in structs, arrays and pointers with tags', () => {
  const paths = (id: number): string[] => specialFields(btf, id).map(({ path, kind }) => `${path}: ${kind}`);
  expect(paths(locked)).toEqual(['lock: spin locks']);
  expect(paths(pointing)).toEqual(['task: kernel pointers']);
  expect(paths(mapping)).toEqual(['page: pointers to user memory']);
  expect(paths(nested)).toEqual(['inner.lock: spin locks', 'locks[]: spin locks']);
  expect(paths(u32)).toEqual([]);
  expect(paths(0)).toEqual([]);
});

test.each([
  ['LRU_HASH', locked, 'spin locks', 'member "lock" of the value is a struct bpf_spin_lock'],
  ['PERCPU_ARRAY', locked, 'spin locks', 'member "lock" of the value is a struct bpf_spin_lock'],
  ['LPM_TRIE', lock, 'spin locks', 'the value is a struct bpf_spin_lock'],
  ['PERCPU_HASH', timed, 'timers', 'member "timer" of the value is a struct bpf_timer'],
  ['TASK_STORAGE', timed, 'timers', 'member "timer" of the value is a struct bpf_timer'],
  ['CGRP_STORAGE', listed, 'lists and trees', 'member "head" of the value is a struct bpf_list_head'],
  ['LPM_TRIE', pointing, 'kernel pointers', 'member "task" of the value is a pointer with the tag kptr'],
  ['HASH', mapping, 'pointers to user memory', 'member "page" of the value is a pointer with the tag uptr'],
] as const)('a map of type %s cannot have %i', (type, valueType, what, described) => {
  const run = (): unknown => plan(MapType[type], valueType);
  expect(run).toThrow(UnsupportedError);
  expect(run).toThrow(
    `${what} in maps of type ${type}: of map "pairs" ${described}; the kernel takes ${what} in maps of type `,
  );
});

test.each([
  ['HASH', locked],
  ['CGRP_STORAGE', locked],
  ['LRU_HASH', timed],
  ['LRU_PERCPU_HASH', pointing],
  ['TASK_STORAGE', mapping],
  // To kernels before 6.11 these are bytes.
  ['LRU_HASH', nested],
] as const)('a map of type %s can have %i', (type, valueType) => {
  expect(plan(MapType[type], valueType)?.specialFields.length).toBeGreaterThan(0);
});

test.each([MapFlag.RDONLY_PROG, MapFlag.WRONLY_PROG])(
  'programs must be able to read and write it: flags %i',
  (flags) => {
    const run = (): unknown => plan(MapType.ARRAY, locked, flags);
    expect(run).toThrow(UsageError);
    expect(run).toThrow(
      /^maps\.pairs\.flags: programs must be able to read and write map "pairs", of which member "lock"/,
    );
  },
);

describe('of a map that a kernel refused', () => {
  const aTimer: SpecialField = { path: 'stats.timer', typeName: 'struct bpf_timer', kind: 'timers' };
  const aLock: SpecialField = { path: '', typeName: 'struct bpf_spin_lock', kind: 'spin locks' };

  test('the member that no kernel takes in it is blamed before one that newer kernels take', () => {
    expect(refusedField(MapType.ARRAY, [])).toBeUndefined();
    expect(refusedField(MapType.ARRAY, [aLock, aTimer])).toBe(aLock);
    expect(refusedField(MapType.CGROUP_STORAGE, [aLock, aTimer])).toBe(aTimer);
  });

  test('the error says where such members may be', () => {
    const cause = new Error('first');
    expect(unsupportedField('runs', MapType.SK_STORAGE, aTimer, cause)).toMatchObject({
      message:
        'timers in maps of type SK_STORAGE: of map "runs" member "stats.timer" of the value is a struct bpf_timer; ' +
        'the kernel takes timers in maps of type HASH, LRU_HASH, ARRAY',
      cause,
    });
    const newer = unsupportedField('runs', MapType.ARRAY, aLock);
    expect(newer.message).toBe(
      'spin locks in maps of type ARRAY: of map "runs" the value is a struct bpf_spin_lock; ' +
        'this kernel takes spin locks in fewer types of maps than newer ones do',
    );
    expect('cause' in newer).toBe(false);
    expect(unsupportedField('runs', 999, aTimer).message).toMatch(/^timers in maps of type number 999: /u);
  });
});
