// What reading costs, counted rather than timed, so that a busy machine changes nothing.
import { ByteReader } from '../../../lib/binary/index.js';
import { Btf } from '../../../lib/btf/index.js';

export interface Cost {
  /** Bytes of typed arrays and buffers made with a length. */
  allocated: number;
  /** Reads of numbers, strings and types. */
  steps: number;
}

/** Thrown by a read too many: work without end becomes a failure instead of a hang. */
export class TooMuchWork extends Error {}

type ArrayConstructor =
  'Uint8Array' | 'Uint16Array' | 'Uint32Array' | 'Int32Array' | 'Float64Array' | 'BigUint64Array' | 'ArrayBuffer';
const constructors: readonly ArrayConstructor[] = [
  'Uint8Array',
  'Uint16Array',
  'Uint32Array',
  'Int32Array',
  'Float64Array',
  'BigUint64Array',
  'ArrayBuffer',
];

/** Does `work` and counts what it costs; more steps than `mostSteps` end it. */
export function metered(mostSteps: number, work: () => void): Cost {
  const cost: Cost = { allocated: 0, steps: 0 };
  const step = (): void => {
    if (++cost.steps > mostSteps) throw new TooMuchWork(`more than ${mostSteps} reads`);
  };
  const undo = [
    ...constructors.map((name) => countAllocations(name, cost)),
    countCalls(ByteReader.prototype, 'check', step),
    ...(['kind', 'type', 'word', 'string'] as const).map((method) => countCalls(Btf.prototype, method, step)),
  ];
  try {
    work();
  } finally {
    for (const restore of undo) restore();
  }
  return cost;
}

function countCalls<Method extends string>(
  prototype: Record<Method, object>,
  method: Method,
  step: () => void,
): () => void {
  const original = prototype[method];
  prototype[method] = new Proxy(original, {
    apply(target, self: unknown, parameters: unknown[]): unknown {
      step();
      return Reflect.apply(target as (...parameters: unknown[]) => unknown, self, parameters);
    },
  });
  return () => {
    prototype[method] = original;
  };
}

function countAllocations(name: ArrayConstructor, cost: Cost): () => void {
  const scope = globalThis as unknown as Record<ArrayConstructor, new (...parameters: unknown[]) => object>;
  const original = scope[name];
  const width = (original as unknown as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1;
  scope[name] = new Proxy(original, {
    construct(target, parameters: unknown[], newTarget): object {
      const [length] = parameters;
      if (typeof length === 'number') cost.allocated += length * width;
      return Reflect.construct(target, parameters, newTarget) as object;
    },
  });
  return () => {
    scope[name] = original;
  };
}
