import { CommandLineError } from './command-error.js';

const INTEGER = /^([+-]?)(0x[0-9a-f]+|0b[01]+|0o[0-7]+|\d+)$/i;
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/**
 * Reads the text of `--set name=text` as the type of the variable, which shows in the value it has now: numbers in
 * decimal or 0x, 0b, 0o, `true` and `false`, text for `char` arrays, hex digits for bytes, JSON for the rest. Whether
 * it fits the variable's size is the library's to say. A variable that does not exist has no value (`undefined`): its
 * text is passed on for the library to refuse.
 */
export function parseValue(name: string, text: string, current: unknown): unknown {
  const refuse = (expected: string): never => {
    throw new CommandLineError(`--set ${name}=${text}: expected ${expected}`);
  };
  switch (typeof current) {
    case 'undefined':
    case 'string':
      return text;
    case 'boolean':
      if (text === 'true' || text === '1') return true;
      if (text === 'false' || text === '0') return false;
      return refuse('true or false');
    case 'bigint':
      return parseInteger(text) ?? refuse('an integer such as 1000, -1 or 0x3e8');
    case 'number': {
      const integer = parseInteger(text);
      if (integer !== undefined) return Number(integer);
      return DECIMAL.test(text) ? Number(text) : refuse('a number such as 1000, -1 or 0x3e8');
    }
    default:
      if (current instanceof Uint8Array) return parseBytes(text) ?? refuse('hex digits, two a byte, such as 0a0b0c');
      return parseJson(text, current) ?? refuse(`JSON such as ${JSON.stringify(current, bigintsAsStrings)}`);
  }
}

/** A decimal, hexadecimal, octal or binary integer of any size, with or without a sign. */
export function parseInteger(text: string): bigint | undefined {
  const match = INTEGER.exec(text);
  if (match === null) return undefined;
  const magnitude = BigInt(match[2] ?? 0);
  return match[1] === '-' ? -magnitude : magnitude;
}

function parseBytes(text: string): Uint8Array | undefined {
  const digits = text.replace(/[: ]/g, '');
  if (digits.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(digits)) return undefined;
  return new Uint8Array(Buffer.from(digits, 'hex'));
}

function parseJson(text: string, current: unknown): unknown {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  return withBigints(parsed, current);
}

/** JSON has no 64-bit integers: where the variable holds one, a number or a string of digits stands for it. */
function withBigints(parsed: unknown, current: unknown): unknown {
  if (typeof current === 'bigint') {
    if (typeof parsed === 'string') return parseInteger(parsed) ?? parsed;
    return typeof parsed === 'number' && Number.isSafeInteger(parsed) ? BigInt(parsed) : parsed;
  }
  if (Array.isArray(parsed) && Array.isArray(current)) {
    return parsed.map((element, index) => withBigints(element, current[index]));
  }
  if (isRecord(parsed) && isRecord(current)) {
    return Object.fromEntries(Object.entries(parsed).map(([key, value]) => [key, withBigints(value, current[key])]));
  }
  return parsed;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function bigintsAsStrings(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
