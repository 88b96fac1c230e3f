import { inspect } from 'node:util';

import { EbpfError, UsageError, quote, unsigned32 } from '../errors/index.js';
import { openById, openDescriptor, openPinned, type Handle, type ObjectKind } from '../sys/index.js';

import { explainPermission } from './explain-permission.js';

/** Where something is that exists already: the path of a pin, an id, or a descriptor of this process, which stays yours. */
export type ObjectSource = string | { readonly id: number } | { readonly descriptor: number };

/** How {@link openObject} opens. */
export interface OpenObjectOptions {
  /** BPF_F_RDONLY or BPF_F_WRONLY, of maps by path or id. */
  readonly flags?: number | undefined;
  /** Further words of what a source may be, for errors: ` or a token`. */
  readonly more?: string | undefined;
}

/**
 * Opens what exists already.
 *
 * @throws {@link UsageError} when the source is of no such form, or of another kind of object; {@link PermissionError};
 * {@link KernelError} ENOENT when there is none.
 */
export function openObject(kind: ObjectKind, source: unknown, { flags, more = '' }: OpenObjectOptions = {}): Handle {
  if (typeof source === 'string') return permitted(() => openPinned(source, kind, flags), `open ${quote(source)}`);
  const { id, descriptor } = Object(source) as { id?: unknown; descriptor?: unknown };
  if (id !== undefined) {
    const number = unsigned32('id', id, 1);
    return permitted(() => openById(kind, number, flags), `open ${kind} ${number}`);
  }
  if (descriptor !== undefined) return openDescriptor(kind, unsigned32('descriptor', descriptor, 0));
  const problem = `must be the path of a pin, { id }${more === '' ? ' or' : ','} { descriptor }${more}`;
  throw UsageError.invalidValue('source', `${problem}, not ${inspect(source)}`);
}

/** What `read` gives of an object; undefined when it is gone or this process may not open it. */
export function tryWithObject<Value>(kind: ObjectKind, id: number, read: (handle: Handle) => Value): Value | undefined {
  try {
    const handle = openById(kind, id);
    try {
      return read(handle);
    } finally {
      handle.close();
    }
  } catch (error) {
    if (EbpfError.is(error) && error.errno !== undefined) return undefined;
    throw error;
  }
}

function permitted(open: () => Handle, what: string): Handle {
  try {
    return open();
  } catch (error) {
    if (!EbpfError.is(error) || error.errnoName !== 'EPERM') throw error;
    throw explainPermission(error, { what, capabilities: ['CAP_SYS_ADMIN'] });
  }
}
