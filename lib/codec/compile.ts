import { UsageError } from '../errors/index.js';
import { interpretDecode, type RecordDecoder } from './interpret-decode.js';
import { EncodeInterpreter, type Encoder } from './interpret-encode.js';
import type { Layout } from './layout.js';
import { countValues } from './plan.js';

export interface CompiledLayout {
  readonly decode: RecordDecoder;
  readonly encode: Encoder;
}

/** More values than this in one decoded value is a mistake, or a file that means harm. */
const MOST_VALUES = 2 ** 26;

export function compile(layout: Layout, littleEndian: boolean, _generateCode?: boolean): CompiledLayout {
  const count = countValues(layout);
  if (count > MOST_VALUES) {
    const problem = `decoding makes ${count} values at once, more than ${MOST_VALUES}; read it as bytes`;
    throw UsageError.invalidValue(layout.typeName, problem);
  }
  return {
    decode: interpretDecode(layout, littleEndian),
    encode: new EncodeInterpreter(littleEndian).value(layout),
  };
}
