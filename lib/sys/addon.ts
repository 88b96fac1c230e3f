import { createRequire } from 'node:module';
import { join } from 'node:path';

import { PermissionError, UnsupportedError } from '../errors/index.js';

/** Called once with a result: a number, or a negative errno. */
export type Completion = (result: number) => void;

/** What {@link Addon.call} does, with the buffers that it takes. */
export const Operation = {
  /** bpf(2): the attributes, then what they refer to; not the commands on map elements. */
  BPF: 0,
  /** perf_event_open(2): the attributes, then process, CPU, group (i32 each) and, at 16, flags (u64). */
  PERF_EVENT_OPEN: 1,
  /** ioctl(2) on a perf event: the event (i32) and, at 8, the argument (u64), then what that is the address of. */
  PERF_EVENT_CONTROL: 2,
} as const;
export type Operation = (typeof Operation)[keyof typeof Operation];

/**
 * What the addon exports. Each function returns a number, or a negative errno; none throws. A function that takes a
 * `completion` and is given one returns 0 at once and runs off the event loop. A token is what JavaScript holds in place
 * of a descriptor: it names a slot of this environment's table and stops being valid when the slot is closed.
 */
export interface Addon {
  /**
   * One of the calls of {@link Operation}. `buffers` are laid out as the operation wants; the addon works on copies, and
   * `directions` says for each whether the kernel reads it (1) or writes it (2). `patches` are quadruples [holder,
   * offset, size, what]: the holder's copy gets at this offset the address of buffer `what` (size 8), or the descriptor
   * of token `what` (size 4); in what comes back those places are zero. A call that makes a descriptor returns its token.
   */
  call(
    operation: Operation,
    command: number,
    buffers: readonly Uint8Array[],
    directions: Uint8Array,
    patches: Float64Array,
    completion?: Completion,
  ): number;
  mapLookup(map: number, key: Uint8Array | null, value: Uint8Array, flags: number): number;
  mapLookupAndDelete(map: number, key: Uint8Array | null, value: Uint8Array, flags: number): number;
  /** The value is a token where the map holds descriptors. */
  mapUpdate(map: number, key: Uint8Array | null, value: Uint8Array | number, flags: number): number;
  mapDelete(map: number, key: Uint8Array): number;
  mapNextKey(map: number, key: Uint8Array | null, next: Uint8Array): number;
  mapBatch(
    command: number,
    map: number,
    position: Uint8Array | null,
    nextPosition: Uint8Array | null,
    keys: Uint8Array,
    values: Uint8Array | null,
    count: Uint32Array,
    elementFlags: number,
  ): number;
  /** [type, key size, value size, entries, flags, bytes a value takes in user space], as the kernel reports them. */
  mapShape(map: number, shape: Uint32Array): number;
  /** What a token stands for; the numbers are those of `Kind` in `native/table.h`. */
  kind(token: number): number;
  /** With a completion: 0 when that will be called, 1 when the resource is closed already. */
  close(token: number, completion?: Completion): number;
  mappingOpen(token: number, offset: number, length: number, writable: boolean): number;
  mappingRead(mapping: number, offset: number, destination: Uint8Array): number;
  mappingWrite(mapping: number, offset: number, source: Uint8Array): number;
  ringOpen(map: number, onReady: () => void): number;
  /** Fills `report` with [records, 1 when more waits, bytes that the first record needs]; returns the bytes written. */
  ringDrain(ring: number, destination: Uint8Array, report: Uint32Array): number;
  ringArm(ring: number): number;
  ringPending(ring: number): number;
  /** `limits` are soft and hard: read into, or set. */
  resourceLimit(resource: number, limits: BigUint64Array, set: boolean): number;
  /** Whether this ring keeps the event loop alive. */
  ringReference(ring: number, referenced: boolean): number;
}

let loaded: Addon | undefined;
let failure: UnsupportedError | PermissionError | undefined;

/**
 * The addon, loaded at the first call that needs it. Throws UnsupportedError where there is none, PermissionError where
 * Node.js may not load it.
 */
export function addon(): Addon {
  if (loaded !== undefined) return loaded;
  failure ??= tryToLoad();
  if (failure !== undefined) throw failure;
  return addon();
}

/** Whether this platform has the addon: true says nothing about the kernel or about permissions. */
export function isSupported(): boolean {
  if (loaded !== undefined) return true;
  failure ??= tryToLoad();
  return failure === undefined;
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
    // Both lib/sys and dist/sys lie two folders below the package.
    const locate = createRequire(__filename)('node-gyp-build') as (root: string) => Addon;
    loaded = locate(join(__dirname, '..', '..'));
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

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n', 1)[0] ?? '';
}
