import { inspect } from 'node:util';

import { MapFlag, MapType } from '../abi/index.js';
import { i32, type EntryCodec } from '../codec/index.js';
import { EbpfError, KernelError, UnsupportedError, UsageError } from '../errors/index.js';
import { descriptorNumber, tryOpenProcess } from '../sys/index.js';

import { wrongKind, type BpfMap } from './bpf-map.js';
import { createMap } from './create-map.js';
import { EINVAL, ENOENT, ESRCH } from './errno.js';
import { LocalStorage, descriptorKey, type NewStorageOptions, type OpenOwner } from './local-storage.js';
import { typedKind, type TypedMapKind } from './map-kind.js';

/**
 * A task: the id of a process, which stands for its main thread; `{ thread }`, the id of any thread (Linux 6.9), as `gettid`
 * gives it; or an object whose `fd` is a pidfd.
 */
export type TaskSource = number | { readonly thread: number } | { readonly fd: number };

/**
 * Values that belong to tasks, the kernel's word for threads, which programs find with `bpf_task_storage_get`. Least kernel:
 * 5.11; in tracing programs 5.12.
 *
 * @example
 * ```js
 * const calls = ebpf.map('calls', TaskStorage.of(u64));
 * console.log(calls.get(process.pid));   // of the main thread
 * ```
 */
export class TaskStorage<Value = unknown, ValueInput = Value> extends LocalStorage<TaskSource, Value, ValueInput> {
  /** Values of a declared type, checked against the object's BTF where it has any. */
  static of<Value, ValueInput = Value>(
    value: EntryCodec<Value, ValueInput>,
  ): TypedMapKind<TaskStorage<Value, ValueInput>> {
    return typedKind((map) => {
      const storage = TaskStorage.from(map);
      storage.types.declare({ value });
      return storage as TaskStorage<Value, ValueInput>;
    });
  }

  /** `map` as values of tasks. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): TaskStorage {
    if (map instanceof TaskStorage) return map as TaskStorage;
    throw wrongKind(map, 'TaskStorage');
  }

  /**
   * Makes a map of values of tasks without an object.
   *
   * @throws {@link PermissionError}; {@link UnsupportedError} before Linux 5.11; {@link UsageError} for options that do not fit;
   * {@link KernelError}.
   *
   * @example
   * ```js
   * const calls = await TaskStorage.create({ name: 'calls', value: u64 });
   * ```
   */
  static async create<Value = Uint8Array, ValueInput = Value>(
    options: NewStorageOptions<Value, ValueInput>,
  ): Promise<TaskStorage<Value, ValueInput>> {
    const fixed = { type: MapType.TASK_STORAGE, key: i32, maxEntries: 0, flags: MapFlag.NO_PREALLOC };
    return TaskStorage.from(await createMap(fixed, options)) as TaskStorage<Value, ValueInput>;
  }

  /** @internal */
  protected override openOwner(task: TaskSource): OpenOwner {
    if (Object(task) === task && 'fd' in Object(task)) return { key: descriptorKey(descriptorNumber(task, 'task')) };
    const { id, thread } = taskId(task);
    const key = tryOpenProcess(id, thread);
    if (typeof key === 'number') throw openFailure(id, thread, key);
    return {
      key,
      close: () => {
        key.close();
      },
    };
  }

  /** @internal */
  protected override ownerFailure(task: TaskSource, failure: Error): unknown {
    if (!EbpfError.is(failure) || failure.errnoName !== 'EBADF') return failure;
    return UsageError.invalidValue('task', `${inspect(task)} is not of an open pidfd`, { cause: failure });
  }
}

function taskId(task: unknown): { readonly id: number; readonly thread: boolean } {
  const thread = typeof task === 'object' && task !== null && 'thread' in task;
  const id = thread ? task.thread : task;
  if (typeof id === 'number' && Number.isInteger(id) && id > 0 && id <= 0x7fff_ffff) return { id, thread };
  throw UsageError.invalidValue(
    'task',
    `must be the id of a process, { thread } with that of a thread, or { fd } with a pidfd, not ${inspect(task, { depth: 0 })}`,
  );
}

function openFailure(id: number, thread: boolean, errno: number): Error {
  const what = thread ? `thread ${id}` : `process ${id}`;
  const cause = new KernelError(`open ${what}`, 'pidfd_open', errno);
  if (errno === ESRCH) return UsageError.invalidValue('task', `there is no ${what}`, { cause });
  if (errno !== EINVAL && errno !== ENOENT) return cause;
  // EINVAL became ENOENT in Linux 6.15.
  if (!thread) {
    const problem = `${id} is a thread, not a process; say { thread: ${id} }`;
    return UsageError.invalidValue('task', problem, { cause });
  }
  return new UnsupportedError('descriptors of threads', `this kernel opens processes only, not ${what}`, {
    since: '6.9',
    cause,
  });
}
