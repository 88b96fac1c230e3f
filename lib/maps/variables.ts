import { inspect } from 'node:util';

import { UsageError, quote } from '../errors/index.js';

import type { Variable } from './variable.js';

/** What JavaScript looks for in any object: to await it, to turn it into JSON. Not there, unless a variable is named so. */
const asked: ReadonlySet<string> = new Set(['then', 'toJSON']);

/**
 * The values of variables by name: a sealed object without a prototype, which reads and writes the variables themselves. A
 * name that no variable has is refused, since a misspelt one must not go unnoticed.
 */
export function variableValues(object: string, variables: ReadonlyMap<string, Variable>): Record<string, unknown> {
  const values: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [name, variable] of variables) {
    Object.defineProperty(values, name, {
      enumerable: true,
      get: () => variable.value,
      set: (value: unknown) => {
        variable.value = value;
      },
    });
  }
  Object.defineProperty(values, inspect.custom, {
    value(): object {
      const shown = [...variables].map(([name, variable]) => [name, valueOrError(variable)]);
      return Object.assign(Object.create(null), Object.fromEntries(shown)) as object;
    },
  });
  const unknown = (name: string): UsageError =>
    UsageError.notFound(`variable of ${quote(object)}`, name, variables.keys());
  return new Proxy(Object.seal(values), {
    // By the map and not by the accessors: this is the path of every read and write.
    get(target, name): unknown {
      if (typeof name === 'symbol') return Reflect.get(target, name);
      const variable = variables.get(name);
      if (variable !== undefined) return variable.value;
      if (asked.has(name)) return undefined;
      throw unknown(name);
    },
    set(_target, name, value): boolean {
      if (typeof name === 'symbol') return false;
      const variable = variables.get(name);
      if (variable === undefined) throw unknown(name);
      variable.value = value;
      return true;
    },
  });
}

/** Printing must not fail because the object is closed. */
function valueOrError(variable: Variable): unknown {
  try {
    return variable.value;
  } catch (error) {
    return error;
  }
}
