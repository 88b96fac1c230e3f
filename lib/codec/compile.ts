import { UsageError } from '../errors/index.js';
import { generateDecode } from './generate-decode.js';
import { generateEncode } from './generate-encode.js';
import { interpretDecode, type RecordDecoder } from './interpret-decode.js';
import { EncodeInterpreter, type Encoder } from './interpret-encode.js';
import type { Layout } from './layout.js';
import { countValues } from './plan.js';
import { codeGenerationAllowed } from './source.js';

/** More values than this in one decoded value is a mistake, or a file that means harm. */
const MOST_VALUES = 2 ** 26;

/** A layout's decoder, generated or interpreted: both do the same, and the tests hold them to it. */
export function compileDecoder(layout: Layout, littleEndian: boolean, generateCode?: boolean): RecordDecoder {
  requireModest(layout);
  return generates(generateCode) ? generateDecode(layout, littleEndian) : interpretDecode(layout, littleEndian);
}

/** A layout's encoder, as {@link compileDecoder}. */
export function compileEncoder(layout: Layout, littleEndian: boolean, generateCode?: boolean): Encoder {
  requireModest(layout);
  return generates(generateCode)
    ? generateEncode(layout, littleEndian)
    : new EncodeInterpreter(littleEndian).value(layout);
}

function generates(wanted: boolean | undefined): boolean {
  return wanted !== false && codeGenerationAllowed();
}

function requireModest(layout: Layout): void {
  const count = countValues(layout);
  if (count <= MOST_VALUES) return;
  const problem = `decoding makes ${count} values at once, more than ${MOST_VALUES}; read it as bytes`;
  throw UsageError.invalidValue(layout.typeName, problem);
}
