import { MapFlag, MapType } from '../abi/index.js';
import { type Btf, BtfKind } from '../btf/index.js';
import { quote, UnsupportedError, UsageError } from '../errors/index.js';
import type { MapSpec } from '../object/index.js';

/** A member of a map's value that the kernel finds by its type, and keeps to itself. */
export interface SpecialField {
  /** `lock`, `stats.timers[2]`; empty for the value itself. */
  readonly path: string;
  /** `struct bpf_timer`, `kptr to struct task_struct`. */
  readonly typeName: string;
  readonly kind: FieldKind;
}

type FieldKind = 'spin locks' | 'timers' | 'lists and trees' | 'kernel pointers' | 'pointers to user memory';
type MapTypeName = keyof typeof MapType;

const storages: readonly MapTypeName[] = ['SK_STORAGE', 'INODE_STORAGE', 'TASK_STORAGE', 'CGRP_STORAGE'];
const preallocated: readonly MapTypeName[] = ['HASH', 'LRU_HASH', 'ARRAY'];

/**
 * The types of maps in whose values the kernel takes such members: `map_check_btf` of kernel/bpf/syscall.c, the newest. Older ones
 * take fewer; those that do not know a kind take it for bytes.
 */
const takenIn: Readonly<Record<FieldKind, readonly MapTypeName[]>> = {
  'spin locks': ['HASH', 'ARRAY', 'CGROUP_STORAGE', ...storages],
  timers: preallocated,
  'lists and trees': preallocated,
  'kernel pointers': ['PERCPU_HASH', 'LRU_PERCPU_HASH', 'PERCPU_ARRAY', ...preallocated, ...storages],
  'pointers to user memory': ['TASK_STORAGE'],
};

/** `btf_get_field_type` of kernel/bpf/btf.c. */
const structs: ReadonlyMap<string, FieldKind> = new Map<string, FieldKind>([
  ['bpf_spin_lock', 'spin locks'],
  ['bpf_res_spin_lock', 'spin locks'],
  ['bpf_timer', 'timers'],
  ['bpf_wq', 'timers'],
  ['bpf_task_work', 'timers'],
  ['bpf_list_head', 'lists and trees'],
  ['bpf_rb_root', 'lists and trees'],
  ['bpf_refcount', 'kernel pointers'],
]);

/** `btf_find_kptr` of kernel/bpf/btf.c. */
const tags: ReadonlyMap<string, FieldKind> = new Map<string, FieldKind>([
  ['kptr', 'kernel pointers'],
  ['kptr_untrusted', 'kernel pointers'],
  ['kptr_ref', 'kernel pointers'],
  ['percpu_kptr', 'kernel pointers'],
  ['uptr', 'pointers to user memory'],
]);

/** Structs within structs are looked into since Linux 6.11, as deep as `MAX_RESOLVE_DEPTH`. */
const mostDepth = 32;

/** The members of a value, of structs within it too, that the kernel keeps to itself. */
export function specialFields(btf: Btf, valueType: number): readonly SpecialField[] {
  const found: SpecialField[] = [];
  addFields(btf, valueType, '', found, 0);
  return found;
}

function addFields(btf: Btf, id: number, path: string, found: SpecialField[], depth: number): void {
  if (id === 0 || depth > mostDepth) return;
  const type = btf.type(btf.skipModifiers(id));
  if (type.kind === BtfKind.ARRAY) addFields(btf, type.elementType, `${path}[]`, found, depth + 1);
  else if (type.kind === BtfKind.PTR) {
    const target = btf.type(type.type);
    const kind = target.kind === BtfKind.TYPE_TAG ? tags.get(target.name) : undefined;
    if (kind !== undefined) found.push({ path, typeName: `pointer with the tag ${target.name}`, kind });
  } else if (type.kind === BtfKind.STRUCT) {
    const kind = structs.get(type.name);
    if (kind !== undefined) found.push({ path, typeName: `struct ${type.name}`, kind });
    else {
      for (const { name, type: member } of type.members) {
        addFields(btf, member, path === '' ? name : `${path}.${name}`, found, depth + 1);
      }
    }
  }
}

/**
 * Refuses what no kernel takes, where it would say no more than EOPNOTSUPP or EACCES: such members in maps of other types and in maps
 * that programs may only read or write.
 *
 * @throws {UnsupportedError} that names map, member and the types of maps that may have it; {UsageError} for the flags.
 */
export function requireFields(map: MapSpec, fields: readonly SpecialField[]): void {
  // Deeper ones, of arrays too, are bytes to kernels before 6.11.
  const refused = fields.filter(({ path }) => !/[.[]/u.test(path)).find((field) => !isTaken(map.type, field));
  if (refused !== undefined) throw unsupportedField(map.name, map.type, refused);
  const [first] = fields;
  if (first !== undefined && (map.flags & (MapFlag.RDONLY_PROG | MapFlag.WRONLY_PROG)) !== 0) {
    throw UsageError.invalidValue(
      `maps.${map.name}.flags`,
      `programs must be able to read and write map ${quote(map.name)}, of which ${described(first)}: no BPF_F_RDONLY_PROG, no BPF_F_WRONLY_PROG`,
    );
  }
}

function isTaken(type: number, { kind }: SpecialField): boolean {
  return takenIn[kind].some((name) => MapType[name] === type);
}

/** The member for which the kernel refuses a map that it does not support; undefined when there is none. */
export function refusedField(type: number, fields: readonly SpecialField[]): SpecialField | undefined {
  return fields.find((field) => !isTaken(type, field)) ?? fields[0];
}

/** Of a map that the kernel refused, or would refuse. */
export function unsupportedField(map: string, type: number, field: SpecialField, cause?: unknown): UnsupportedError {
  const typeName = Object.entries(MapType).findLast(([, value]) => value === type)?.[0] ?? `number ${type}`;
  const { kind } = field;
  const where = isTaken(type, field)
    ? `this kernel takes ${kind} in fewer types of maps than newer ones do`
    : `the kernel takes ${kind} in maps of type ${takenIn[kind].join(', ')}`;
  return new UnsupportedError(
    `${kind} in maps of type ${typeName}`,
    `of map ${quote(map)} ${described(field)}; ${where}`,
    cause === undefined ? {} : { cause },
  );
}

function described({ path, typeName }: SpecialField): string {
  return path === '' ? `the value is a ${typeName}` : `member ${quote(path)} of the value is a ${typeName}`;
}
