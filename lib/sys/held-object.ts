import { inspect } from 'node:util';

import { UsageError } from '../errors/index.js';
import { Handle } from './handle.js';

/** A live map or program, as rooms know it that may not import its class. */
export interface HeldObject {
  /** The name in the object's source. */
  readonly name: string;
  /** @internal */
  readonly handle: Handle;
}

/** The open handle of a map or program that a caller gave. Throws UsageError when it is something else, or closed. */
export function requireHandle(path: string, value: unknown, kind: 'map' | 'program'): Handle {
  const handle = typeof value === 'object' && value !== null && 'handle' in value ? value.handle : undefined;
  if (handle instanceof Handle && handle.kind === kind) return handle;
  throw UsageError.invalidValue(path, `must be a loaded ${kind}, not ${inspect(value, { depth: 0 })}`);
}
