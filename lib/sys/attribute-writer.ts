import { hostIsLittleEndian as littleEndian } from '../binary/index.js';
import { UsageError, quote } from '../errors/index.js';
import type { Handle } from './handle.js';

/** A struct as `lib/abi` describes it: each field is [byte offset, byte size]. */
export interface StructLayout<Field extends string = string> {
  readonly size: number;
  readonly fields: Readonly<Record<Field, readonly [number, number]>>;
}

/** The names of a layout's fields. */
export type FieldOf<Layout> = Layout extends { readonly fields: infer Fields } ? keyof Fields & string : never;

/** Which way bytes travel. A buffer the kernel only writes is not copied to it. */
export const Direction = { TO_KERNEL: 1, FROM_KERNEL: 2, BOTH: 3 } as const;
export type Direction = (typeof Direction)[keyof typeof Direction];

/** The C library's limit for a path, with its NUL. */
const PATH_MAX = 4096;

/** BPF_OBJ_NAME_LEN: 16 bytes with the NUL (include/uapi/linux/bpf.h). */
const OBJECT_NAME_LENGTH = 16;

/**
 * Lays out `union bpf_attr` for one command in the machine's byte order, with the buffers and descriptors it refers to.
 * Addresses and descriptors are recorded as places to be filled in by the addon, never as values.
 */
export class AttributeWriter<Field extends string> {
  readonly bytes: Uint8Array;
  /** The attributes themselves, then what they refer to. */
  readonly buffers: Uint8Array[];
  readonly #layout: StructLayout<Field>;
  readonly #view: DataView;
  readonly #patches: number[] = [];

  constructor(layout: StructLayout<Field>) {
    this.#layout = layout;
    this.bytes = new Uint8Array(layout.size);
    this.buffers = [this.bytes];
    this.#view = new DataView(this.bytes.buffer);
  }

  /** Where addresses and descriptors go: quadruples, see `Addon.bpf`. */
  get patches(): Float64Array {
    return Float64Array.from(this.#patches);
  }

  /** Writes a number in the field's own size; undefined leaves zero. */
  number(field: Field, value: number | bigint | undefined): this {
    if (value === undefined) return this;
    const [offset, size] = this.#layout.fields[field];
    if (size === 8) this.#view.setBigUint64(offset, BigInt.asUintN(64, BigInt(value)), littleEndian);
    else if (size === 4) this.#view.setUint32(offset, Number(value), littleEndian);
    else if (size === 2) this.#view.setUint16(offset, Number(value), littleEndian);
    else this.#view.setUint8(offset, Number(value));
    return this;
  }

  /** Writes an object's name: at most 15 letters, digits, `_` and `.` (bpf_obj_name_cpy in kernel/bpf/syscall.c). */
  name(field: Field, name: string): this {
    if (name.length >= OBJECT_NAME_LENGTH || !/^[A-Za-z0-9_.]*$/.test(name)) {
      throw UsageError.invalidValue('name', `${quote(name)} is not up to 15 letters, digits, "_" and "."`);
    }
    const [offset] = this.#layout.fields[field];
    for (let index = 0; index < name.length; index++) this.bytes[offset + index] = name.charCodeAt(index);
    return this;
  }

  /** The field takes the descriptor of `handle`; undefined leaves zero. */
  handle(field: Field, handle: Handle | undefined): this {
    if (handle !== undefined) this.handleIn(this.bytes, this.#layout.fields[field][0], handle);
    return this;
  }

  /** Four bytes at `offset` of a buffer given before take the descriptor of `handle`. */
  handleIn(buffer: Uint8Array, offset: number, handle: Handle): this {
    if (handle.closed) throw UsageError.closed(handle.describe());
    this.#patches.push(this.buffers.indexOf(buffer), offset, 0, handle.token);
    return this;
  }

  /** The field takes the address of `buffer`, and `lengthField` its length in bytes; undefined leaves zero. */
  pointer(field: Field, buffer: Uint8Array | undefined, direction: Direction, lengthField?: Field): this {
    if (buffer === undefined) return this;
    this.pointerIn(this.bytes, this.#layout.fields[field][0], buffer, direction);
    return lengthField === undefined ? this : this.number(lengthField, buffer.byteLength);
  }

  /** Eight bytes at `offset` of a buffer given before take the address of another one. */
  pointerIn(holder: Uint8Array, offset: number, buffer: Uint8Array, direction: Direction): this {
    this.#patches.push(this.buffers.indexOf(holder), offset, direction, 0);
    this.buffers.push(buffer);
    return this;
  }

  /** The field takes the address of `text` as a C string; undefined leaves zero. */
  string(field: Field, text: string | undefined, what = 'path'): this {
    return text === undefined ? this : this.pointer(field, cBytes(text, what), Direction.TO_KERNEL);
  }

  /** The field takes the address of an array of addresses of C strings. */
  strings(field: Field, texts: readonly string[], what = 'name'): this {
    const array = new Uint8Array(texts.length * 8);
    this.pointer(field, array, Direction.TO_KERNEL);
    for (const [index, text] of texts.entries()) {
      this.pointerIn(array, index * 8, cBytes(text, what), Direction.TO_KERNEL);
    }
    return this;
  }

  /** Reads a field after the call. */
  read(field: Field): number {
    const [offset, size] = this.#layout.fields[field];
    return readField(this.#view, offset, size);
  }
}

function cBytes(text: string, what: string): Uint8Array {
  const bytes = Buffer.from(`${text}\0`, 'utf8');
  if (bytes.indexOf(0) !== bytes.length - 1 || bytes.length > PATH_MAX) {
    throw UsageError.invalidValue(what, `${quote(text)} has a NUL or is longer than ${PATH_MAX - 1} bytes`);
  }
  return bytes;
}

function readField(view: DataView, offset: number, size: number): number {
  if (size === 8) return Number(view.getBigUint64(offset, littleEndian));
  if (size === 4) return view.getUint32(offset, littleEndian);
  if (size === 2) return view.getUint16(offset, littleEndian);
  return view.getUint8(offset);
}

/** Reads a struct that the kernel filled in, by its layout. */
export class AttributeReader<Field extends string> {
  readonly bytes: Uint8Array;
  readonly #layout: StructLayout<Field>;
  readonly #view: DataView;

  constructor(layout: StructLayout<Field>, bytes: Uint8Array = new Uint8Array(layout.size)) {
    this.#layout = layout;
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  number(field: Field): number {
    const [offset, size] = this.#layout.fields[field];
    return readField(this.#view, offset, size);
  }

  bigint(field: Field): bigint {
    return this.#view.getBigUint64(this.#layout.fields[field][0], littleEndian);
  }

  /** Whether a bit-field of one bit is set that begins the four bytes at `offset`: the lowest bit, or on big-endian machines the highest. */
  firstBit(offset: number): boolean {
    return (this.#view.getUint32(offset, littleEndian) & (littleEndian ? 1 : 0x8000_0000)) !== 0;
  }

  /** A name up to its NUL. */
  string(field: Field): string {
    const [offset, size] = this.#layout.fields[field];
    return cString(this.bytes.subarray(offset, offset + size));
  }

  slice(field: Field): Uint8Array {
    const [offset, size] = this.#layout.fields[field];
    return this.bytes.slice(offset, offset + size);
  }
}

/** The text before the first NUL, as UTF-8. */
export function cString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(bytes.buffer, bytes.byteOffset, end < 0 ? bytes.byteLength : end).toString('utf8');
}
