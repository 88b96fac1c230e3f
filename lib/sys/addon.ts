import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { PermissionError, UnsupportedError } from '../errors/index.js';
import { cLibrary } from './c-library.js';

/** Called once with a result: a number, or a negative errno. */
export type Completion = (result: number) => void;

/**
 * What the addon exports. Each function returns a number, or a negative errno; none throws. A function that takes a
 * `completion` and is given one returns 0 at once and runs off the event loop. A token is what JavaScript holds in place
 * of a descriptor: it names a slot of this environment's table and stops being valid when the slot is closed.
 */
export interface Addon {
  /**
   * bpf(2), but not the commands on map elements. The first of `buffers` is the attributes; the addon works on copies of
   * all. `patches` are quadruples [holder, offset, direction, token]. Direction 0: the copy of buffer `holder` gets at
   * `offset` the descriptor of `token`, in 4 bytes; else the address, in 8, of the next buffer, which the kernel reads
   * (1), writes (2) or both. In what comes back those places are zero. A call that makes a descriptor returns its token.
   * With the token of a network namespace, not 0, the call is made from inside it.
   */
  bpf(
    command: number,
    buffers: readonly Uint8Array[],
    patches: Float64Array,
    completion?: Completion,
    networkNamespace?: number,
  ): number;
  /**
   * An update or delete of a map's element as `bpf` makes its calls, for those that may wait and for values that hold
   * descriptors. `buffers` are the attributes, the key and, of an update, the value, with all of them in `patches`. Where
   * the map's values are descriptors, one must be patched into the first bytes of the value.
   */
  mapElement(
    command: number,
    map: number,
    buffers: readonly Uint8Array[],
    patches: Float64Array,
    completion?: Completion,
    networkNamespace?: number,
  ): number;
  /**
   * perf_event_open(2). `group` is a token or -1, `pid` the token of a cgroup's directory with PERF_FLAG_PID_CGROUP. The
   * attributes and buffers are as those of `bpf`.
   */
  perfEventOpen(
    pid: number,
    cpu: number,
    group: number,
    flags: number,
    buffers: readonly Uint8Array[],
    patches: Float64Array,
    completion?: Completion,
  ): number;
  /** ioctl(2) on a perf event. The argument is a token where the request takes a descriptor, and never an address. */
  perfEventControl(event: number, request: number, argument: number, completion?: Completion): number;
  /** read(2) of an iterator into the one buffer, without patches; returns the bytes read, 0 at its end. */
  iteratorRead(
    iterator: number,
    buffers: readonly Uint8Array[],
    patches: Float64Array,
    completion?: Completion,
  ): number;
  /** The key of a local storage is a descriptor: its bytes, or a token, here and in the next three. */
  mapLookup(map: number, key: Uint8Array | number | null, value: Uint8Array, flags: number): number;
  mapLookupAndDelete(map: number, key: Uint8Array | number | null, value: Uint8Array, flags: number): number;
  /** The value is a token where the map holds descriptors. */
  mapUpdate(map: number, key: Uint8Array | number | null, value: Uint8Array | number, flags: number): number;
  mapDelete(map: number, key: Uint8Array | number): number;
  /** As `mapLookup`, `mapUpdate` and `mapDelete`, of a key at the beginning of `area` and a value from byte 64 on. */
  mapLookupShort(map: number, flags: number): number;
  mapUpdateShort(map: number, flags: number): number;
  mapDeleteShort(map: number, flags: number): number;
  mapNextKey(map: number, key: Uint8Array | null, next: Uint8Array): number;
  mapBatch(
    map: number,
    command: number,
    position: Uint8Array | null,
    nextPosition: Uint8Array | null,
    keys: Uint8Array,
    values: Uint8Array | null,
    count: Uint32Array,
    elementFlags: number,
  ): number;
  /** Fills `shape` with [type, id, key size, value size, entries, flags]; returns the bytes a value takes in user space. */
  mapShape(map: number, shape: Uint32Array): number;
  /** The token of a copy of a descriptor, which stays the caller's. */
  adopt(descriptor: number): number;
  /** pidfd_open(2); returns a token. */
  openProcess(process: number, flags: number): number;
  /** Fills `destination` with what `/proc/self/fdinfo` says of a token's descriptor; returns the bytes. */
  descriptorInfo(token: number, destination: Uint8Array): number;
  /** The id of a share of `map`, with which another environment takes it once; it ends when `map` is closed. */
  mapShare(map: number): number;
  /** The token of the map that was shared; -ENOENT when it was taken already or its map was closed. */
  mapTake(id: number): number;
  /** What a token stands for; the numbers are those of `Kind` in `native/environment.h`. */
  kind(token: number): number;
  /** Another token for the descriptor of one: each is closed for itself. */
  duplicate(token: number): number;
  /** With a completion: 0 when that will be called, 1 when the resource is closed already. */
  close(token: number, completion?: Completion): number;
  /** `address` is where the memory is to be, 0 for anywhere. */
  mappingOpen(token: number, offset: number, length: number, writable: boolean, address: number): number;
  mappingRead(mapping: number, offset: number, destination: Uint8Array): number;
  mappingWrite(mapping: number, offset: number, source: Uint8Array): number;
  /** As `mappingRead`, of up to 64 bytes to the beginning of what `useArea` was given. */
  mappingLoad(mapping: number, offset: number, size: number): number;
  mappingStore(mapping: number, offset: number, size: number): number;
  /** Where an arena is mapped. */
  arenaAddress(mapping: number): number;
  /** Gives the environment {@link area}, which must never be detached: a SharedArrayBuffer is not. */
  useArea(area: Uint8Array): number;
  ringOpen(map: number, onReady: () => void): number;
  /**
   * `times`: whether samples hold their time; `newest`: whether the events write backward, so that the newest are kept. The
   * buffer has no CPUs yet.
   */
  perfBufferOpen(times: boolean, newest: boolean, onReady: () => void): number;
  perfBufferAdd(buffer: number, event: number, cpu: number, pages: number): number;
  perfBufferRemove(buffer: number, cpu: number): number;
  perfBufferLost(buffer: number): number;
  perfBufferWentOffline(buffer: number, cpu: number): number;
  /**
   * Moves records of a ring or perf buffer into `destination`. `tables` gets three columns of as many rows each: where
   * payloads begin, their lengths, their CPUs; `report` is described in event-source.ts. Returns the bytes written.
   */
  sourceDrain(source: number, destination: Uint8Array, tables: Uint32Array, report: Uint32Array): number;
  /** 1 when `onReady` will not be called because there is something already. */
  sourceArm(source: number): number;
  sourcePending(source: number): number;
  /** Whether this source keeps the event loop alive. */
  sourceReference(source: number, referenced: boolean): number;
  userRingOpen(map: number, onRoom: () => void): number;
  userRingReserve(ring: number, size: number): number;
  /** Without a payload the record is discarded. */
  userRingCommit(ring: number, position: number, payload: Uint8Array | null): number;
  userRingSend(ring: number, payload: Uint8Array): number;
  userRingRelax(ring: number): number;
  /**
   * read(2) on one of Node's own descriptors until `destination` is full, from `offset` on, or the file ends; returns the
   * bytes read. An `index` of BTF is filled in when that was the whole file: native/type_index.h. Both are written where they are:
   * they must not be detached before the completion.
   */
  read(
    descriptor: number,
    destination: Uint8Array,
    offset: number,
    index?: Uint32Array,
    completion?: Completion,
  ): number;
  /** flock(2) on one of Node's own descriptors, which is never waited for: -EWOULDBLOCK. */
  lockFile(descriptor: number, operation: number): number;
  /** getsockopt(2) on one of Node's own descriptors; returns the bytes written into `value`. */
  getSocketOption(descriptor: number, level: number, option: number, value: Uint8Array): number;
  /** setsockopt(2) on one of Node's own descriptors; a value that is a number is the token of a descriptor. */
  setSocketOption(descriptor: number, level: number, option: number, value: Uint8Array | number): number;
  /** socket(2), closed on exec and not blocking, in the network namespace of a token that is not 0; returns its token. */
  socketOpen(domain: number, type: number, protocol: number, networkNamespace: number): number;
  /** write(2) of one buffer, with patches as those of `bpf`: the kernel has answered when it returns. */
  netlinkSend(socket: number, buffers: readonly Uint8Array[], patches: Float64Array, completion?: Completion): number;
  /** Reads one datagram if there is one; returns its full length, also when the buffer was too short for it. */
  netlinkReceive(socket: number, buffer: Uint8Array): number;
  /** `limits` are soft and hard: read into, or set. */
  resourceLimit(resource: number, limits: BigUint64Array, set: boolean): number;
}

/** What is on its way to or from the kernel without being an argument, until the next call: see `Environment::area`. */
export const area: Uint8Array = new Uint8Array(new SharedArrayBuffer(128));
/** The beginning of {@link area}, for numbers. */
export const word: DataView = new DataView(area.buffer, 0, 8);

let loaded: Addon | undefined;
let failure: UnsupportedError | PermissionError | undefined;

/**
 * The addon, loaded at the first call that needs it. Throws UnsupportedError where there is none, PermissionError where
 * Node.js may not load it.
 */
export function addon(): Addon {
  if (loaded !== undefined) return loaded;
  const why = whyUnsupported();
  if (why !== undefined) throw why;
  return addon();
}

/** The result of a call off the event loop that `start` begins: its own when it did not. */
export async function completed(start: (completion: Completion) => number): Promise<number> {
  return new Promise<number>((resolve) => {
    const started = start(resolve);
    if (started < 0) resolve(started);
  });
}

/**
 * Whether live calls can be made here at all: on Linux, with an addon for this platform that Node.js may load. True says
 * nothing about the kernel (`features` does) or about permissions. {@link whyUnsupported} tells what is in the way.
 */
export function isSupported(): boolean {
  return whyUnsupported() === undefined;
}

/**
 * What every live call throws here, undefined where {@link isSupported} is true. An UnsupportedError names the platform or why
 * the addon cannot be loaded, a PermissionError Node's `--permission`; both say what to do.
 *
 * @example
 * ```js
 * if (!isSupported()) console.error(`no eBPF here: ${whyUnsupported().message}`);
 * ```
 */
export function whyUnsupported(): UnsupportedError | PermissionError | undefined {
  if (loaded !== undefined) return undefined;
  failure ??= tryToLoad();
  return failure;
}

function tryToLoad(): UnsupportedError | PermissionError | undefined {
  const platform = `${process.platform}-${process.arch}`;
  if (process.platform !== 'linux') {
    return new UnsupportedError(
      'eBPF',
      `it needs Linux, and this is ${platform}; objects can be parsed and inspected here, and loaded on Linux`,
    );
  }
  try {
    const found = load();
    found.useArea(area);
    // A copy: what has as many properties as the addon is a hash table to V8 when they were added one by one.
    loaded = { ...found };
    return undefined;
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ERR_DLOPEN_DISABLED') {
      return new PermissionError(
        "the native addon of node-ebpf cannot be loaded: Node.js's permission model forbids addons; start node with " +
          '--allow-addons, and with --allow-fs-read and --allow-worker as far as your program needs them',
        ["Node.js's permission model, without --allow-addons"],
        { cause },
      );
    }
    return new UnsupportedError(
      'eBPF',
      `the native addon of node-ebpf cannot be loaded on ${platform} (Node.js ${process.versions.node}): ` +
        `${firstLine(cause)}; reinstall node-ebpf, or build it from a clone of its repository with \`npm start\`, ` +
        'which needs a C++ compiler, make and python3',
      { cause },
    );
  }
}

/**
 * The addon of this package and no other: neither the environment nor what lies beside Node's program says what is loaded
 * into a process that is often root's.
 */
function load(): Addon {
  const folder = packageFolder();
  if (folder === undefined) {
    throw new Error(
      'the package is not where this code is: a bundle needs node_modules/node-ebpf beside or above it, with its package.json and prebuilds',
    );
  }
  const places = [join(folder, 'build/Release/node_ebpf.node'), join(folder, 'prebuilds', prebuild())];
  const path = places.find((place) => existsSync(place));
  if (path === undefined) throw new Error(`there is none for it: neither ${places.join(' nor ')} exists`);
  const module = { exports: {} };
  process.dlopen(module, path);
  return module.exports as Addon;
}

/** As `scripts/prebuilds.mjs` names them, so that other tools find them too. */
function prebuild(): string {
  const tags = `${process.arch === 'arm64' ? '.armv8' : ''}${cLibrary() === 'musl' ? '.musl' : ''}`;
  return `linux-${process.arch}/node.napi${tags}.node`;
}

/** This package: above lib/sys in a clone, above dist once published; in a bundle, the one that is installed where it lies. */
function packageFolder(): string | undefined {
  // A bundle of ES modules has no __dirname.
  const above = ancestors(typeof __dirname === 'string' ? __dirname : dirname(process.argv[1] ?? ''));
  return above.find(isPackage) ?? above.map((folder) => join(folder, 'node_modules/node-ebpf')).find(isPackage);
}

function ancestors(folder: string): string[] {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [folder, ...ancestors(parent)];
}

function isPackage(folder: string): boolean {
  const path = join(folder, 'package.json');
  if (!existsSync(path)) return false;
  try {
    const manifest: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return (manifest as { name?: unknown } | null)?.name === 'node-ebpf';
  } catch {
    return false;
  }
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n', 1)[0] ?? '';
}
