import type { Layout } from './layout.js';

/**
 * What the keys and values of a map take: a {@link Codec}, or an object of your own that turns `size` bytes into a value
 * and back. Only of types with a `layout` the fields are checked against the object's, of others the size alone.
 *
 * @example
 * ```js
 * const macAddress = {
 *   typeName: 'MAC address',
 *   size: 6,
 *   decode: (view, offset) => Buffer.from(view.buffer, view.byteOffset + offset, 6).toString('hex'),
 *   encode: (value, view, offset) => Buffer.from(view.buffer, view.byteOffset + offset, 6).write(value, 'hex'),
 * };
 * const seen = ebpf.map('seen', HashMap.of(macAddress, u64));
 * ```
 */
export interface EntryCodec<Value, Input = Value> {
  /** How C spells the type, for messages. */
  readonly typeName: string;
  /** Bytes. Of a struct that ends in a flexible array: without the array, as `sizeof` counts. */
  readonly size: number;
  /** What the bytes mean, where a description of them exists. */
  readonly layout?: Layout | undefined;
  /**
   * The value at `offset`; it shares no memory with `view`.
   *
   * `length` is the record's length in bytes, when the caller knows it: a shorter record than the type throws
   * {@link UsageError}, and a flexible array at the end of the type takes the whole elements that the rest of the
   * record holds. Without `length` a flexible array is empty.
   */
  decode(view: DataView, offset: number, length?: number): Value;
  /**
   * Writes all `size` bytes at `offset`, padding as zeros. `path` is what the value is called in errors, by default
   * `value`. Throws {@link UsageError} with the path of the field that is missing, unknown, of the wrong kind or out of
   * range; the bytes may then be half written.
   */
  encode(value: Input, view: DataView, offset: number, path?: string): void;
}

/**
 * Turns the bytes of one C type into a JavaScript value and back. `Value` is what decoding gives; `Input` what encoding
 * takes, which is a little more: a 64-bit field that decodes to a bigint takes a safe integer too.
 */
export interface Codec<Value, Input = Value> extends EntryCodec<Value, Input> {
  /** Bytes; a power of two. */
  readonly alignment: number;
  readonly layout: Layout;
}

/**
 * The JavaScript type that a codec decodes to.
 *
 * @example
 * ```ts
 * const Exec = struct('event', { ts: u64, pid: u32, comm: cstr(16) });
 * type Exec = Infer<typeof Exec>; // { ts: bigint; pid: number; comm: string }
 * ```
 */
export type Infer<C> = C extends { decode(view: DataView, offset: number, length?: number): infer Value }
  ? Value
  : never;

/** The JavaScript type that a codec encodes: {@link Infer}, with 64-bit fields also as numbers. */
export type InferInput<C> = C extends Codec<infer _Value, infer Input> ? Input : never;
