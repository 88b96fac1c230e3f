import { MapFlag, MapType } from '../abi/index.js';
import { EbpfError, UnsupportedError, quote } from '../errors/index.js';
import { refusedField, unsupportedField, type SpecialField } from '../relocate/index.js';
import { explainPermission, features, kernelKnows, toCreateMap, type Capability } from '../kernel/index.js';
import type { Handle } from '../sys/index.js';

import { mapTypeName } from './map-type-name.js';

/** The first kernel of map types newer than 5.10. */
const since = new Map<number, string>([
  [MapType.TASK_STORAGE, '5.11'],
  [MapType.BLOOM_FILTER, '5.16'],
  [MapType.USER_RINGBUF, '6.1'],
  [MapType.CGRP_STORAGE, '6.2'],
  [MapType.ARENA, '6.9'],
  [MapType.INSN_ARRAY, '6.19'],
]);

/** Those that CAP_BPF does not suffice for (map_create in kernel/bpf/syscall.c, before Linux 6.5 each type's own file). */
const ofNetworks: ReadonlySet<number> = new Set<number>([
  MapType.SOCKMAP,
  MapType.SOCKHASH,
  MapType.DEVMAP,
  MapType.DEVMAP_HASH,
  MapType.XSKMAP,
]);

/** Of `map_check_btf` in kernel/bpf/syscall.c; before Linux 5.15 ENOTSUPP. Node calls EOPNOTSUPP ENOTSUP. */
const refusesField: ReadonlySet<string> = new Set(['ENOTSUP', 'ENOTSUPP']);

/** What a map was created with. */
interface Attempt {
  readonly fields?: readonly SpecialField[] | undefined;
  readonly flags?: number | undefined;
  /** The network interface whose card was to have it, for people. */
  readonly card?: string | undefined;
  /** A BPF token. */
  readonly token?: Handle | undefined;
}

/** Says why a map could not be created, as far as it can be told. */
export async function createMapFailure(
  error: unknown,
  name: string,
  type: number,
  { fields = [], flags = 0, token, card }: Attempt = {},
): Promise<unknown> {
  if (!EbpfError.is(error)) return error;
  if (error.errnoName === 'EPERM' || error.errnoName === 'EACCES') {
    const capabilities: Capability[] = ofNetworks.has(type) ? ['CAP_BPF', 'CAP_NET_ADMIN'] : ['CAP_BPF'];
    if (card !== undefined) capabilities.push('CAP_SYS_ADMIN');
    const what = `create map ${quote(name)}`;
    return explainPermission(error, { what, capabilities, delegation: toCreateMap(type), token });
  }
  if (card !== undefined) {
    const problem =
      `the network card of ${card} does not take map ${quote(name)}, as its driver says: cards have hashes and arrays at ` +
      'most, without flags, and so no global variables';
    return new UnsupportedError('maps in the network card', problem, { cause: error });
  }
  const field = refusedField(type, fields);
  if (field !== undefined && refusesField.has(error.errnoName ?? '')) return unsupportedField(name, type, field, error);
  const typeName = mapTypeName(type);
  if (error.errnoName === 'EINVAL' && type === MapType.RINGBUF && (flags & MapFlag.RB_OVERWRITE) !== 0) {
    const overwrites = await features.ringOverwrite().catch(() => undefined);
    if (overwrites?.supported === false) return withoutOverwriting(name, error);
  }
  if (error.errnoName === 'EINVAL' && (await kernelKnows('bpf_map_type', `BPF_MAP_TYPE_${typeName}`)) === false) {
    const first = since.get(type);
    const explanation = `this kernel has no such map type; map ${quote(name)} needs ${first === undefined ? 'a newer one' : `Linux ${first}`}`;
    return new UnsupportedError(`maps of type ${typeName}`, explanation, {
      cause: error,
      ...(first === undefined ? {} : { since: first }),
    });
  }
  return error;
}

function withoutOverwriting(name: string, cause: EbpfError): UnsupportedError {
  const explanation =
    `ring buffer ${quote(name)} has MapFlag.RB_OVERWRITE, which needs Linux 6.19; load it without that flag, and what ` +
    'finds no room is counted, or record a perf event array';
  return new UnsupportedError('rings that overwrite what was not read', explanation, { cause, since: '6.19' });
}
