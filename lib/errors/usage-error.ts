import { EbpfError } from './ebpf-error.js';
import { nearestNames } from './nearest-names.js';
import { quote } from './quote.js';

export type UsageErrorCode =
  'ERR_EBPF_INVALID_VALUE' | 'ERR_EBPF_NOT_FOUND' | 'ERR_EBPF_CLOSED' | 'ERR_EBPF_BUSY' | 'ERR_EBPF_BATCH_EXPIRED';

/** Of more names than these, such as a kernel's functions, the first ones would tell nothing. */
const LISTABLE = 100;

/** The caller asked for something that cannot be: a value out of range, an unknown name, a closed or busy thing. */
export class UsageError extends EbpfError {
  declare readonly code: UsageErrorCode;
  /** With `ERR_EBPF_INVALID_VALUE`: where the value stands, such as `variables.target_uid` or `value.addr[3]`. */
  readonly path: string | undefined;
  /** With `ERR_EBPF_NOT_FOUND`: the nearest names that do exist, best first. */
  readonly suggestions: readonly string[];

  constructor(
    message: string,
    options: { code: UsageErrorCode; path?: string; suggestions?: readonly string[]; cause?: unknown },
  ) {
    super(message, options);
    this.path = options.path;
    this.suggestions = options.suggestions ?? [];
  }

  /** `path` is what the value was given as: `variables.target_uid`. */
  static invalidValue(path: string, problem: string, options: { cause?: unknown } = {}): UsageError {
    return new UsageError(`${path}: ${problem}`, { code: 'ERR_EBPF_INVALID_VALUE', path, ...options });
  }

  /** `what` is a noun with its owner, such as `variable of execsnoop.bpf.o`; `known` are the names that exist. */
  static notFound(what: string, name: string, known: Iterable<string>, advice?: string): UsageError {
    const names = [...known];
    const suggestions = nearestNames(name, names);
    const hint =
      suggestions.length > 0
        ? `; did you mean ${suggestions.map((near) => quote(near)).join(' or ')}?`
        : names.length === 0
          ? '; there are none'
          : names.length > LISTABLE
            ? ''
            : `; there are ${listed(names)}`;
    const message = `no ${what} is named ${quote(name)}${hint}${advice === undefined || suggestions.length > 0 ? '' : `; ${advice}`}`;
    return new UsageError(message, { code: 'ERR_EBPF_NOT_FOUND', suggestions });
  }

  static closed(what: string): UsageError {
    return new UsageError(`${what} is closed`, { code: 'ERR_EBPF_CLOSED' });
  }

  static busy(what: string, advice: string): UsageError {
    return new UsageError(`${what} is busy: ${advice}`, { code: 'ERR_EBPF_BUSY' });
  }
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 8).map((name) => quote(name));
  const more = names.length - shown.length;
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
}
