import { bytes, codecFromBtf, fieldsOf, type EntryCodec, type Layout } from '../codec/index.js';
import { UsageError, quote } from '../errors/index.js';

import type { MapDetails } from './bpf-map.js';
import { codecByBtf, readableBtf, requireLayout } from './value-types.js';

/** The codecs of a map's keys and values, of a per-CPU map those of one CPU's value. @internal */
export interface EntryCodecs {
  readonly key?: EntryCodec<unknown> | undefined;
  readonly value?: EntryCodec<unknown> | undefined;
}

/** What a type of map makes of the codecs of its keys and values. @internal */
export interface TypeAdapters {
  /** The codec of keys that have no declared type. Default, also where it gives none: by BTF, else bytes. */
  readonly defaultKey?: ((details: MapDetails) => EntryCodec<unknown> | undefined) | undefined;
  /** The codec of all that a system call moves, made of that of one value. Default: the same. */
  readonly wholeValue?: ((value: EntryCodec<unknown>, details: MapDetails) => EntryCodec<unknown>) | undefined;
}

/**
 * How a map's keys and values become JavaScript values: by types declared with `of` or `create`, else by BTF, else as
 * bytes. They are chosen at the first use and then stay, since all who ask for a map get the same object.
 * @internal
 */
export class MapTypes {
  readonly #details: MapDetails;
  readonly #adapters: TypeAdapters;
  /** What came with the map from another thread: the types until others are declared. */
  readonly #offered: EntryCodecs;
  #declared: EntryCodecs = {};
  #key: EntryCodec<unknown> | undefined;
  #value: EntryCodec<unknown> | undefined;
  #locked: boolean | undefined;

  constructor(details: MapDetails, adapters: TypeAdapters = {}) {
    this.#details = details;
    this.#adapters = adapters;
    this.#offered = details.offered ?? {};
    if (details.declared !== undefined) this.#choose(details.declared);
  }

  get key(): EntryCodec<unknown> {
    this.#key ??=
      this.#offered.key ?? this.#adapters.defaultKey?.(this.#details) ?? this.#byBtf('keyType', this.#details.keySize);
    return this.#key;
  }

  /** Of all that a system call moves: of a per-CPU map, the values of all CPUs. */
  get value(): EntryCodec<unknown> {
    this.#value ??= this.#whole(this.#offered.value ?? this.#byBtf('valueType', this.#details.valueSize));
    return this.#value;
  }

  /** What was declared, for {@link BpfMap.share}. */
  get declared(): EntryCodecs {
    return { key: this.#declared.key ?? this.#offered.key, value: this.#declared.value ?? this.#offered.value };
  }

  /** Whether values hold a `struct bpf_spin_lock`: they are read and written with it held (BPF_F_LOCK). */
  get locked(): boolean {
    this.#locked ??= holdsSpinLock(this.#valueLayout());
    return this.#locked;
  }

  /** Takes declared codecs, after checking them against the map's BTF and sizes. */
  declare(codecs: EntryCodecs): void {
    const { key, value } = codecs;
    if (key === this.#declared.key && value === this.#declared.value) return;
    const { name, types, keySize, valueSize } = this.#details;
    if (key !== undefined) requireLayout(`the key of map ${quote(name)}`, key, types, 'keyType', keySize);
    if (value !== undefined) requireLayout(`the value of map ${quote(name)}`, value, types, 'valueType', valueSize);
    const declared = this.#declared.key !== undefined || this.#declared.value !== undefined;
    if (declared || this.#key !== undefined || this.#value !== undefined) throw typesAlreadyChosen(name, declared);
    this.#choose(codecs);
  }

  #choose(codecs: EntryCodecs): void {
    this.#declared = codecs;
    this.#key = codecs.key;
    this.#value = codecs.value === undefined ? undefined : this.#whole(codecs.value);
  }

  #whole(value: EntryCodec<unknown>): EntryCodec<unknown> {
    return this.#adapters.wholeValue?.(value, this.#details) ?? value;
  }

  #byBtf(type: 'keyType' | 'valueType', size: number): EntryCodec<unknown> {
    const { types } = this.#details;
    const codec = codecByBtf(types, types[type], size);
    // Such as `struct bpf_lpm_trie_key` for keys of any length: it does not say what all bytes mean.
    return codec.size === size ? codec : bytes(size);
  }

  #valueLayout(): Layout | undefined {
    const { types } = this.#details;
    const btf = types.valueType === 0 ? undefined : readableBtf(types);
    // What is declared may hide the lock behind bytes.
    return btf === undefined ? this.declared.value?.layout : codecFromBtf(btf, types.valueType).layout;
  }
}

function holdsSpinLock(layout: Layout | undefined): boolean {
  // The kernel finds it in the outermost struct only (btf_parse_fields in kernel/bpf/btf.c).
  if (layout?.kind !== 'struct') return false;
  return fieldsOf(layout).some(
    ({ layout: field }) => field.kind === 'opaque' && field.typeName === 'struct bpf_spin_lock',
  );
}

/** A map is one object with one set of types: it cannot give other values to someone who asks later. */
export function typesAlreadyChosen(map: string, declared: boolean): UsageError {
  return UsageError.invalidValue(
    `map ${quote(map)}`,
    declared
      ? 'it is already used with other types; declare them once and ask with the same ones'
      : "it is already used with the types of the object's BTF; declare others before the map is first read or written",
  );
}
