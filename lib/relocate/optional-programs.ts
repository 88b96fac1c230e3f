import { ProgramType } from '../abi/index.js';
import { EbpfError, PermissionError } from '../errors/index.js';
import type { ProgramSpec } from '../object/index.js';

/** What the kernel answers for lack of memory or descriptors, or since it was interrupted: of any program, another time not. */
const passing: ReadonlySet<string | undefined> = new Set(['ENOMEM', 'EMFILE', 'ENFILE', 'EAGAIN', 'EINTR']);

/** Whether a load does without the program where the kernel does not take it. Those of structures of operations go with the maps. */
export function isOptional({ optional, type }: ProgramSpec): boolean {
  return optional && type !== ProgramType.STRUCT_OPS;
}

/**
 * Whether an error says that this kernel does not take one program, and nothing of others: what it lacks, what its verifier
 * refuses, a type of program that it keeps from this process. Not what is wrong with options or the object, and not want of memory.
 */
export function isOfProgramAlone(error: unknown): error is EbpfError {
  if (!EbpfError.is(error) || passing.has(error.errnoName)) return false;
  // Before Linux 5.11 memory of BPF counts as locked, and EPERM is said when there is too much of it.
  if (error instanceof PermissionError)
    return !error.obstacles.some((obstacle) => obstacle.startsWith('RLIMIT_MEMLOCK'));
  return (
    error.code !== 'ERR_EBPF_INVALID_VALUE' &&
    error.code !== 'ERR_EBPF_CLOSED' &&
    error.code !== 'ERR_EBPF_OBJECT_FORMAT'
  );
}

/** The optional programs that do not fit a kernel, each with the reason. */
export class ProgramFailures {
  readonly errors: Map<string, EbpfError> = new Map();

  /** What `make` gives; undefined when the program can be done without and does not fit. Throws what else goes wrong. */
  attempt<T>(program: ProgramSpec, make: () => T): T | undefined {
    try {
      return make();
    } catch (error) {
      if (!isOptional(program) || !isOfProgramAlone(error)) throw error;
      this.errors.set(program.name, error);
      return undefined;
    }
  }
}
