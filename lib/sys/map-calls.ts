import { BpfCommand, MapCreateAttr, MapElementAttr, MapFlag, type MapType } from '../abi/index.js';
import { KernelError, quote } from '../errors/index.js';
import { addon, area, completed } from './addon.js';
import { AttributeWriter, Direction } from './attribute-writer.js';
import { bpf, bpfAsync, commandName } from './bpf-call.js';
import { Handle } from './handle.js';
import { trace, tracing } from './trace.js';

/** The network interface that a program or a map is made for, looked up in a network namespace, by default the process's own. */
export interface DeviceOfLoad {
  readonly index: number;
  readonly networkNamespace: Handle | undefined;
}

export interface CreateMapOptions {
  readonly type: MapType;
  /** At most 15 characters of those the kernel takes. */
  readonly name: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags?: number | undefined;
  readonly numaNode?: number | undefined;
  readonly mapExtra?: number | bigint | undefined;
  readonly btf?: Handle | undefined;
  readonly btfKeyTypeId?: number | undefined;
  readonly btfValueTypeId?: number | undefined;
  /** Of a STRUCT_OPS map: the kernel's own type of the value. */
  readonly btfVmlinuxValueTypeId?: number | undefined;
  /** The module's BTF that `btfVmlinuxValueTypeId` is of, with MapFlag.VTYPE_BTF_OBJ_FD; the kernel's without it. */
  readonly valueTypeBtf?: Handle | undefined;
  /** The network interface whose card has the map. */
  readonly device?: DeviceOfLoad | undefined;
  /** The template of a map of maps. */
  readonly innerMap?: Handle | undefined;
  /** A BPF token that gives the right to it. Linux 6.9. */
  readonly token?: Handle | undefined;
}

/** Creates a map, off the event loop: a preallocated one may take the kernel long. */
export async function createMap(options: CreateMapOptions): Promise<Handle> {
  const { device } = options;
  const attr = createAttributes(options);
  const token = await bpfAsync(BpfCommand.MAP_CREATE, attr, creating(options), device?.networkNamespace);
  return new Handle('map', token, options.name);
}

/** As {@link createMap}, on the event loop: for a map of an entry or two, to see what the kernel does with it. */
export function createMapNow(options: CreateMapOptions): Handle {
  return new Handle('map', bpf(BpfCommand.MAP_CREATE, createAttributes(options), creating(options)), options.name);
}

/** The flags of a call that takes a token: BPF_F_TOKEN_FD is the same in all of them. */
export function flagsWithToken(flags: number | undefined, token: Handle | undefined): number | undefined {
  return token === undefined ? flags : ((flags ?? 0) | MapFlag.TOKEN_FD) >>> 0;
}

function creating({ name }: CreateMapOptions): string {
  return `create map ${quote(name)}`;
}

function createAttributes(options: CreateMapOptions): AttributeWriter<keyof typeof MapCreateAttr.fields> {
  return new AttributeWriter(MapCreateAttr)
    .number('map_type', options.type)
    .number('key_size', options.keySize)
    .number('value_size', options.valueSize)
    .number('max_entries', options.maxEntries)
    .number('map_flags', flagsWithToken(options.flags, options.token))
    .number('numa_node', options.numaNode)
    .number('map_extra', options.mapExtra)
    .number('btf_key_type_id', options.btfKeyTypeId)
    .number('btf_value_type_id', options.btfValueTypeId)
    .number('btf_vmlinux_value_type_id', options.btfVmlinuxValueTypeId)
    .name('map_name', options.name)
    .number('map_ifindex', options.device?.index)
    .handle('btf_fd', options.btf)
    .handle('value_type_btf_obj_fd', options.valueTypeBtf)
    .handle('inner_map_fd', options.innerMap)
    .handle('map_token_fd', options.token);
}

/** The only key of a struct_ops map. */
const structOpsKey = new Uint8Array(4);

/**
 * Fills in a struct_ops map, off the event loop: without BPF_F_LINK that registers it. `value` is the kernel's structure,
 * in which four bytes at each place take a program's descriptor. KernelError: EBUSY when it was filled in before.
 */
export async function updateStructOps(
  map: Handle,
  value: Uint8Array,
  programs: readonly { readonly offset: number; readonly program: Handle }[],
): Promise<void> {
  const attr = new AttributeWriter(MapElementAttr)
    .handle('map_fd', map)
    .pointer('key', structOpsKey, Direction.TO_KERNEL)
    .pointer('value', value, Direction.TO_KERNEL);
  for (const { offset, program } of programs) attr.handleIn(value, offset, program);
  await elementCall(BpfCommand.MAP_UPDATE_ELEM, map, attr, `fill in ${map.describe()}`);
}

/** Unregisters what {@link updateStructOps} registered, off the event loop. */
export async function deleteStructOps(map: Handle): Promise<void> {
  const attr = new AttributeWriter(MapElementAttr)
    .handle('map_fd', map)
    .pointer('key', structOpsKey, Direction.TO_KERNEL);
  await elementCall(BpfCommand.MAP_DELETE_ELEM, map, attr, `unregister ${map.describe()}`);
}

async function elementCall(
  command: BpfCommand,
  map: Handle,
  attr: AttributeWriter<string>,
  what: string,
): Promise<void> {
  const result = await tryElementCall(command, map, attr);
  if (result < 0) throw new KernelError(what, commandName(command), result);
}

async function tryElementCall(command: BpfCommand, map: Handle, attr: AttributeWriter<string>): Promise<number> {
  const native = addon();
  const result = await completed((completion) =>
    native.mapElement(command, map.token, attr.buffers, attr.patches, completion),
  );
  return trace(commandName(command), result);
}

/** What {@link mapUpdateNetwork} stores. */
export interface NetworkElement {
  readonly key: Uint8Array;
  /** Not changed: the program's descriptor is put into a copy. */
  readonly value: Uint8Array;
  /** A program whose descriptor is part of the value, and where. */
  readonly program?: { readonly offset: number; readonly handle: Handle } | undefined;
  readonly flags?: number | undefined;
  /** In which the kernel looks for the interface that the value names; in the process's own without it. */
  readonly networkNamespace?: Handle | undefined;
}

/** Stores a value that names an interface or a program, in maps of devices and processors. 0 or -errno. */
export function mapUpdateNetwork(map: Handle, element: NetworkElement): number {
  const { key, value, program, flags, networkNamespace } = element;
  const attr = new AttributeWriter(MapElementAttr)
    .handle('map_fd', map)
    .pointer('key', key, Direction.TO_KERNEL)
    .pointer('value', value, Direction.TO_KERNEL)
    .number('flags', flags);
  if (program !== undefined) attr.handleIn(value, program.offset, program.handle);
  const command = BpfCommand.MAP_UPDATE_ELEM;
  const inside = networkNamespace?.token ?? 0;
  const result = addon().mapElement(command, map.token, attr.buffers, attr.patches, undefined, inside);
  return trace(commandName(command), result);
}

/**
 * Stores a map or program in a map of such things, off the event loop: the kernel waits until no program can still run with
 * what was there (`maybe_wait_bpf_programs` of kernel/bpf/syscall.c), which takes milliseconds. 0 or -errno.
 */
export async function updateHandleAsync(map: Handle, key: Uint8Array, value: Handle, flags: number): Promise<number> {
  const descriptor = new Uint8Array(4);
  const attr = new AttributeWriter(MapElementAttr)
    .handle('map_fd', map)
    .pointer('key', key, Direction.TO_KERNEL)
    .pointer('value', descriptor, Direction.TO_KERNEL)
    .number('flags', flags)
    .handleIn(descriptor, 0, value);
  return tryElementCall(BpfCommand.MAP_UPDATE_ELEM, map, attr);
}

/** Deletes a key, off the event loop, for maps of maps and programs: see {@link updateHandleAsync}. 0 or -errno. */
export async function deleteAsync(map: Handle, key: Uint8Array): Promise<number> {
  const attr = new AttributeWriter(MapElementAttr).handle('map_fd', map).pointer('key', key, Direction.TO_KERNEL);
  return tryElementCall(BpfCommand.MAP_DELETE_ELEM, map, attr);
}

// The calls below are the fast path: they never throw and return what the kernel returned, 0 or a negative errno. The
// addon refuses with EINVAL a buffer that is shorter than the kernel would read or write, and with EBADF a closed map.

/** Copies the value of `key` into `value`. -ENOENT when there is none. `key` is null for queues and stacks. */
export function mapLookup(map: Handle, key: Uint8Array | null, value: Uint8Array, flags: number): number {
  const result = addon().mapLookup(map.token, key, value, flags);
  return tracing ? trace(`bpf(BPF_MAP_LOOKUP_ELEM) on ${map.describe()}`, result) : result;
}

export function mapLookupAndDelete(map: Handle, key: Uint8Array | null, value: Uint8Array, flags: number): number {
  const result = addon().mapLookupAndDelete(map.token, key, value, flags);
  return tracing ? trace(`bpf(BPF_MAP_LOOKUP_AND_DELETE_ELEM) on ${map.describe()}`, result) : result;
}

/** `flags` are those of `MapUpdateFlag`. `key` is null for queues, stacks and bloom filters. */
export function mapUpdate(map: Handle, key: Uint8Array | null, value: Uint8Array, flags: number): number {
  const result = addon().mapUpdate(map.token, key, value, flags);
  return tracing ? trace(`bpf(BPF_MAP_UPDATE_ELEM) on ${map.describe()}`, result) : result;
}

/** Stores a map, program or perf event in a map of such things. */
export function mapUpdateHandle(map: Handle, key: Uint8Array, value: Handle, flags: number): number {
  const result = addon().mapUpdate(map.token, key, value.token, flags);
  return tracing ? trace(`bpf(BPF_MAP_UPDATE_ELEM) on ${map.describe()}`, result) : result;
}

export function mapDelete(map: Handle, key: Uint8Array): number {
  const result = addon().mapDelete(map.token, key);
  return tracing ? trace(`bpf(BPF_MAP_DELETE_ELEM) on ${map.describe()}`, result) : result;
}

/** The most bytes that keys and values have which travel by {@link mapLookupShort} and its like: `kPartSize`. */
export const shortBytes = 64;

// As the calls without `Short`, of maps of plain keys and values, both of up to `shortBytes`: copying these in JavaScript
// costs half of what two typed arrays cost as arguments. The caller has checked the buffers' lengths.

export function mapLookupShort(
  map: Handle,
  key: Uint8Array,
  keySize: number,
  value: Uint8Array,
  valueBytes: number,
  flags: number,
): number {
  for (let index = 0; index < keySize; index++) area[index] = key[index] ?? 0;
  const result = addon().mapLookupShort(map.token, flags);
  if (result === 0) {
    for (let index = 0; index < valueBytes; index++) value[index] = area[shortBytes + index] ?? 0;
  }
  return tracing ? trace(`bpf(BPF_MAP_LOOKUP_ELEM) on ${map.describe()}`, result) : result;
}

export function mapUpdateShort(
  map: Handle,
  key: Uint8Array,
  keySize: number,
  value: Uint8Array,
  valueBytes: number,
  flags: number,
): number {
  for (let index = 0; index < keySize; index++) area[index] = key[index] ?? 0;
  for (let index = 0; index < valueBytes; index++) area[shortBytes + index] = value[index] ?? 0;
  const result = addon().mapUpdateShort(map.token, flags);
  return tracing ? trace(`bpf(BPF_MAP_UPDATE_ELEM) on ${map.describe()}`, result) : result;
}

export function mapDeleteShort(map: Handle, key: Uint8Array, keySize: number): number {
  for (let index = 0; index < keySize; index++) area[index] = key[index] ?? 0;
  const result = addon().mapDeleteShort(map.token, 0);
  return tracing ? trace(`bpf(BPF_MAP_DELETE_ELEM) on ${map.describe()}`, result) : result;
}

/** Writes into `next` the key after `key`, the first one for null. -ENOENT after the last. */
export function mapNextKey(map: Handle, key: Uint8Array | null, next: Uint8Array): number {
  const result = addon().mapNextKey(map.token, key, next);
  return tracing ? trace(`bpf(BPF_MAP_GET_NEXT_KEY) on ${map.describe()}`, result) : result;
}

export interface MapBatchBuffers {
  /** Where a walk stands: what the call before left in `nextPosition`, null to start. At least 4 bytes and a key. */
  readonly position: Uint8Array | null;
  /** May be the same bytes as `position`. */
  readonly nextPosition: Uint8Array | null;
  readonly keys: Uint8Array;
  readonly values: Uint8Array | null;
  /** One number: entries that the buffers hold, and after the call entries that were done, also when it failed. */
  readonly count: Uint32Array;
}

export type MapBatchCommand =
  | typeof BpfCommand.MAP_LOOKUP_BATCH
  | typeof BpfCommand.MAP_LOOKUP_AND_DELETE_BATCH
  | typeof BpfCommand.MAP_UPDATE_BATCH
  | typeof BpfCommand.MAP_DELETE_BATCH;

/**
 * Many entries in one call. A walk ends with -ENOENT, with the last entries counted. -ENOSPC: one bucket holds more
 * than the buffers do. -ENOTSUPP (-524) or -EINVAL: this map type has no batch commands.
 */
export function mapBatch(map: Handle, command: MapBatchCommand, buffers: MapBatchBuffers, elementFlags = 0): number {
  const { position, nextPosition, keys, values, count } = buffers;
  const result = addon().mapBatch(map.token, command, position, nextPosition, keys, values, count, elementFlags);
  return tracing ? trace(`bpf(map batch command ${command}) on ${map.describe()}`, result) : result;
}

/** What the kernel says a map is. */
export interface MapShape {
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** Bytes that one value takes in user space: for a per-CPU map, 8-byte aligned values of all possible CPUs. */
  readonly valueBytes: number;
}

/** What the kernel said of the map when its handle was made; no system call. */
export function mapShape(map: Handle): MapShape {
  const { shape, valueBytes } = learned(map);
  const [type = 0, , keySize = 0, valueSize = 0, maxEntries = 0, flags = 0] = shape;
  return { type, keySize, valueSize, maxEntries, flags, valueBytes };
}

/** A map's id, without a system call as {@link mapShape}. */
export function mapId(map: Handle): number {
  return learned(map).shape[1] ?? 0;
}

function learned(map: Handle): { readonly shape: Uint32Array; readonly valueBytes: number } {
  const shape = new Uint32Array(6);
  const valueBytes = addon().mapShape(map.token, shape);
  if (valueBytes >= 0) return { shape, valueBytes };
  throw new KernelError(`read the sizes of ${map.describe()}`, 'bpf(BPF_OBJ_GET_INFO_BY_FD)', valueBytes);
}

/**
 * The id of a share of `map`, with which {@link takeMap} in any thread of this process opens it, once. Until then it keeps
 * a descriptor, at most as long as `map` is open.
 */
export function shareMap(map: Handle): number {
  const id = trace(`share of ${map.describe()}`, addon().mapShare(map.token));
  if (id < 0) throw new KernelError(`share ${map.describe()}`, 'fcntl(F_DUPFD_CLOEXEC)', id);
  return id;
}

/** Takes a map that {@link shareMap} shared; undefined when it was taken before, or the map is closed where it came from. */
export function takeMap(id: number, name: string): Handle | undefined {
  const token = trace(`take of map ${quote(name)}`, addon().mapTake(id));
  return token < 0 ? undefined : new Handle('map', token, name);
}

/** Makes a map read-only for system calls, for good. */
export function freezeMap(map: Handle): void {
  bpf(
    BpfCommand.MAP_FREEZE,
    new AttributeWriter(MapElementAttr).handle('map_fd', map),
    `make ${map.describe()} read-only`,
  );
}
