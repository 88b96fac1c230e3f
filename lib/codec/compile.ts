import { UsageError } from '../errors/index.js';
import { generateDecode } from './generate-decode.js';
import { generateEncode } from './generate-encode.js';
import { interpretDecode, type RecordDecoder } from './interpret-decode.js';
import { EncodeInterpreter, type Encoder } from './interpret-encode.js';
import type { Layout } from './layout.js';
import { countValues } from './plan.js';
import { codeGenerationAllowed } from './source.js';

export interface CompiledLayout {
  readonly decode: RecordDecoder;
  readonly encode: Encoder;
}

/** More values than this in one decoded value is a mistake, or a file that means harm. */
const MOST_VALUES = 2 ** 26;

/** A layout's decoder and encoder, generated or interpreted: both do the same, and the tests hold them to it. */
export function compile(layout: Layout, littleEndian: boolean, generateCode?: boolean): CompiledLayout {
  const count = countValues(layout);
  if (count > MOST_VALUES) {
    const problem = `decoding makes ${count} values at once, more than ${MOST_VALUES}; read it as bytes`;
    throw UsageError.invalidValue(layout.typeName, problem);
  }
  if (generateCode !== false && codeGenerationAllowed()) {
    return { decode: generateDecode(layout, littleEndian), encode: generateEncode(layout, littleEndian) };
  }
  return {
    decode: interpretDecode(layout, littleEndian),
    encode: new EncodeInterpreter(littleEndian).value(layout),
  };
}
