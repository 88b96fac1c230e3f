import { inspect } from 'node:util';

import { hostIsLittleEndian } from '../binary/index.js';
import { UsageError, escapeControl } from '../errors/index.js';
import type { Codec } from './codec.js';
import { compileDecoder, compileEncoder } from './compile.js';
import type { RecordDecoder } from './interpret-decode.js';
import type { Encoder } from './interpret-encode.js';
import { leastLength, type Layout } from './layout.js';
import { pathAt, UnsafeInteger } from './unsafe-integer.js';

export interface LayoutCodecOptions {
  /** The byte order of the data; by default this machine's. */
  readonly littleEndian?: boolean | undefined;
  /** False: never generate code. By default code is generated where the process allows it. */
  readonly generateCode?: boolean | undefined;
}

/** The codec of a layout. Nothing is compiled before the first value, and only for the way that it goes. */
export class LayoutCodec<Value, Input = Value> implements Codec<Value, Input> {
  readonly layout: Layout;
  readonly littleEndian: boolean;
  readonly #generateCode: boolean | undefined;
  readonly #leastLength: number;
  #decode: RecordDecoder | undefined;
  #encode: Encoder | undefined;

  static {
    // A codec's layout is long and seldom what somebody wants to see who prints one.
    Object.defineProperty(LayoutCodec.prototype, inspect.custom, {
      value(this: LayoutCodec<unknown>): string {
        return escapeControl(`Codec { ${this.typeName}, ${this.size} bytes }`);
      },
    });
  }

  constructor(layout: Layout, options: LayoutCodecOptions = {}) {
    this.layout = layout;
    this.littleEndian = options.littleEndian ?? hostIsLittleEndian;
    this.#generateCode = options.generateCode;
    this.#leastLength = leastLength(layout);
  }

  get typeName(): string {
    return this.layout.typeName;
  }

  get size(): number {
    return this.layout.size;
  }

  get alignment(): number {
    return this.layout.alignment;
  }

  decode(view: DataView, offset: number, length?: number): Value {
    if (length !== undefined && length < this.#leastLength) throw this.#tooShort(length);
    const end = offset + (length ?? this.#leastLength);
    if (!(offset >= 0 && end <= view.byteLength)) throw this.#outside('value', view, offset, end);
    const decode = (this.#decode ??= compileDecoder(this.layout, this.littleEndian, this.#generateCode));
    try {
      // The layout decides what the value is, and whoever made this codec named that type.
      return decode(view, offset, length ?? 0) as Value;
    } catch (error) {
      throw error instanceof UnsafeInteger ? this.#unsafe(error, offset) : error;
    }
  }

  encode(value: Input, view: DataView, offset: number, path = 'value'): void {
    const end = offset + this.layout.size;
    if (!(offset >= 0 && end <= view.byteLength)) throw this.#outside(path, view, offset, end);
    const encode = (this.#encode ??= compileEncoder(this.layout, this.littleEndian, this.#generateCode));
    encode(value, view, offset, path, undefined);
  }

  #tooShort(length: number): UsageError {
    return UsageError.invalidValue(
      'record',
      `it has ${length} bytes, ${this.typeName} takes ${this.#leastLength}; is it a record of another type?`,
    );
  }

  #outside(path: string, view: DataView, offset: number, end: number): UsageError {
    const problem = `${this.typeName} takes the bytes ${offset} to ${end}, the view has ${view.byteLength}`;
    return UsageError.invalidValue(path, problem);
  }

  #unsafe(error: UnsafeInteger, offset: number): UsageError {
    const problem = `${error.value} cannot be a number without rounding; decode it as 'bigint' or 'string'`;
    return UsageError.invalidValue(`value${pathAt(this.layout, error.offset - offset)}`, problem);
  }
}
