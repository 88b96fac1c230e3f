import type { EntryCodec } from '../codec/index.js';
import { UsageError, quote } from '../errors/index.js';

import type { MapDetails } from './bpf-map.js';

/** Each CPU's value begins at a multiple of this (bpf_map_value_size in kernel/bpf/syscall.c). */
const alignment = 8;

/** Bytes from one CPU's value to the next. @internal */
export function perCpuStride(valueSize: number): number {
  return Math.ceil(valueSize / alignment) * alignment;
}

/** How many values a per-CPU map has for each key: the CPUs that the kernel may ever bring up. @internal */
export function perCpuCount({ valueSize, valueBytes }: MapDetails): number {
  return valueBytes / perCpuStride(valueSize);
}

/** The codec of an array of all CPUs' values, made of that of one. @internal */
export function perCpuValues(element: EntryCodec<unknown>, details: MapDetails): EntryCodec<unknown> {
  const stride = perCpuStride(details.valueSize);
  const count = perCpuCount(details);
  return {
    typeName: `${element.typeName} of each CPU`,
    size: details.valueBytes,
    decode(view, offset) {
      const values: unknown[] = [];
      for (let cpu = 0; cpu < count; cpu++) values.push(element.decode(view, offset + cpu * stride));
      return values;
    },
    encode(value, view, offset, path = 'value') {
      if (!isList(value) || value.length !== count) {
        const given = isList(value) ? `an array of ${value.length}` : value === null ? 'null' : typeof value;
        throw UsageError.invalidValue(
          path,
          `must be an array of ${count}, a value for each possible CPU (map ${quote(details.name)}), not ${given}`,
        );
      }
      for (let cpu = 0; cpu < count; cpu++) {
        element.encode(value[cpu], view, offset + cpu * stride, `${path}[${cpu}]`);
      }
    },
  };
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value);
}
