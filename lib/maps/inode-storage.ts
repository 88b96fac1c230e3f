import { closeSync, openSync } from 'node:fs';

import { MapFlag, MapType } from '../abi/index.js';
import { i32, type EntryCodec } from '../codec/index.js';
import { EbpfError, UsageError, quote } from '../errors/index.js';
import { requireActiveBpfLsm } from '../kernel/index.js';
import { descriptorNumber, type DescriptorSource } from '../sys/index.js';

import { wrongKind, type BpfMap } from './bpf-map.js';
import { createMap } from './create-map.js';
import { LocalStorage, descriptorKey, type NewStorageOptions, type OpenOwner } from './local-storage.js';
import { typedKind, type TypedMapKind } from './map-kind.js';
import type { RawMap } from './raw-map.js';

/** A file, directory or whatever else has an inode: its path, a `FileHandle`, or a descriptor. */
export type InodeSource = string | DescriptorSource;

/** O_PATH: a descriptor that stands for the file and neither reads it nor waits for what it is connected to. */
const pathOnly = 0o10_000_000;

/**
 * Values that belong to inodes, which security programs (`lsm`) find with `bpf_inode_storage_get`. They are lost when the
 * kernel lets go of the inode. Least kernel: 5.10, booted with `bpf` among its security modules (`lsm=…,bpf`).
 *
 * @example
 * ```js
 * const labels = ebpf.map('labels', InodeStorage.of(u64));
 * labels.set('/etc/passwd', 1n);
 * ```
 */
export class InodeStorage<Value = unknown, ValueInput = Value> extends LocalStorage<InodeSource, Value, ValueInput> {
  /** Values of a declared type, checked against the object's BTF where it has any. */
  static of<Value, ValueInput = Value>(
    value: EntryCodec<Value, ValueInput>,
  ): TypedMapKind<InodeStorage<Value, ValueInput>> {
    return typedKind((map) => {
      const storage = InodeStorage.from(map);
      storage.types.declare({ value });
      return storage as InodeStorage<Value, ValueInput>;
    });
  }

  /** `map` as values of inodes. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): InodeStorage {
    if (map instanceof InodeStorage) return map as InodeStorage;
    throw wrongKind(map, 'InodeStorage');
  }

  /**
   * Makes a map of values of inodes without an object.
   *
   * @throws {@link PermissionError}; {@link UsageError} for options that do not fit; {@link KernelError}.
   *
   * @example
   * ```js
   * const labels = await InodeStorage.create({ name: 'labels', value: u64 });
   * ```
   */
  static async create<Value = Uint8Array, ValueInput = Value>(
    options: NewStorageOptions<Value, ValueInput>,
  ): Promise<InodeStorage<Value, ValueInput>> {
    const fixed = { type: MapType.INODE_STORAGE, key: i32, maxEntries: 0, flags: MapFlag.NO_PREALLOC };
    return InodeStorage.from(await createMap(fixed, options)) as InodeStorage<Value, ValueInput>;
  }

  /** @throws {@link UnsupportedError} where `bpf` is not, or not known to be, among the active security modules. */
  override get raw(): RawMap {
    requireOwnMemory(this.name);
    return super.raw;
  }

  /** @internal */
  protected override openOwner(file: InodeSource): OpenOwner {
    requireOwnMemory(this.name);
    if (typeof file !== 'string') return { key: descriptorKey(descriptorNumber(file, 'file')) };
    const descriptor = openPath(file);
    return {
      key: descriptorKey(descriptor),
      close: () => {
        closeSync(descriptor);
      },
    };
  }

  /** @internal */
  protected override ownerFailure(file: InodeSource, failure: Error): unknown {
    if (!EbpfError.is(failure) || failure.errnoName !== 'EBADF') return failure;
    const what = typeof file === 'string' ? 'it' : `descriptor ${descriptorNumber(file, 'file')}`;
    return UsageError.invalidValue('file', `${what} is not open, or has an inode without security data`, {
      cause: failure,
    });
  }
}

/**
 * Where BPF is no active security module the kernel has no place of its own in an inode, and looks into that of another
 * module (`bpf_inode` in include/linux/bpf_lsm.h): what it finds there it takes for a pointer.
 */
function requireOwnMemory(map: string): void {
  requireActiveBpfLsm('storage of inodes', `map ${quote(map)} would change memory of other modules`);
}

function openPath(path: string): number {
  try {
    return openSync(path, pathOnly);
  } catch (cause) {
    throw UsageError.invalidValue('file', (cause as Error).message, { cause });
  }
}
