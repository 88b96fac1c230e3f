import { createRequire } from 'node:module';
import { join } from 'node:path';

import { UnsupportedError } from '../errors/index.js';

/** Called once with a result: a number, or a negative errno. */
export type Completion = (result: number) => void;

/**
 * What the addon exports. Each function returns a number, or a negative errno; none throws. A function that takes a
 * `completion` and is given one returns 0 at once and runs off the event loop. A token is what JavaScript holds in place
 * of a descriptor: it names a slot of this environment's table and stops being valid when the slot is closed.
 */
export interface Addon {
  /**
   * Any command of bpf(2) but those on map elements. `pointers` are triples [holder, offset, buffer] and `tokens`
   * triples [holder, offset, token]; the holder is -1 for `attr`, else an index of `buffers`. The addon works on a copy
   * in which addresses and descriptors stand at those offsets. `directions` has a bit per way for each buffer: 1 the
   * kernel reads it, 2 it writes it. A command that makes a descriptor returns its token.
   */
  bpf(
    command: number,
    attr: Uint8Array,
    buffers: readonly Uint8Array[],
    directions: Uint8Array,
    pointers: Int32Array,
    tokens: Float64Array,
    completion?: Completion,
  ): number;
  mapLookup(map: number, key: Uint8Array | null, value: Uint8Array, flags: number): number;
  mapLookupAndDelete(map: number, key: Uint8Array | null, value: Uint8Array, flags: number): number;
  mapUpdate(map: number, key: Uint8Array | null, value: Uint8Array, flags: number): number;
  mapUpdateDescriptor(map: number, key: Uint8Array, token: number, flags: number): number;
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
  perfEventOpen(
    attr: Uint8Array,
    pid: number,
    cpu: number,
    group: number,
    flags: number,
    completion?: Completion,
  ): number;
  /** The argument is a number, a buffer, or the descriptor behind a token, as the request wants. */
  perfEventControl(
    event: number,
    request: number,
    argument: number | Uint8Array,
    token: number,
    completion?: Completion,
  ): number;
  close(token: number, completion?: Completion): number;
  mappingOpen(token: number, offset: number, length: number, writable: boolean): number;
  mappingRead(mapping: number, offset: number, destination: Uint8Array): number;
  mappingWrite(mapping: number, offset: number, source: Uint8Array): number;
  ringOpen(map: number, onReady: () => void): number;
  /** Fills `report` with [records, 1 when more waits, bytes that the first record needs]; returns the bytes written. */
  ringDrain(ring: number, destination: Uint8Array, report: Uint32Array): number;
  ringArm(ring: number): number;
  ringPending(ring: number): number;
  /** Whether this ring keeps the event loop alive. */
  ringReference(ring: number, referenced: boolean): number;
}

let loaded: Addon | undefined;
let failure: UnsupportedError | undefined;

/** The addon, loaded at the first call that needs it. Throws UnsupportedError where there is none. */
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

function tryToLoad(): UnsupportedError | undefined {
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
