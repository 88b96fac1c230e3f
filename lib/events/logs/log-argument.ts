import { fieldsOf, ipText, type Field, type Layout } from '../../codec/index.js';

/** Behind the colon of `{:ip}`; nothing of `{}`. */
export type LogHint = '' | 'x' | 'X' | 'ip' | 'mac' | 'sym';

export const logHints: readonly string[] = ['', 'x', 'X', 'ip', 'mac', 'sym'];

/** Names an address of the kernel: `do_exit+0x1c`; undefined when nothing is known there. */
export type SymbolNames = (address: bigint) => string | undefined;

/** What the header reads text behind a pointer into. */
const textStruct = 'struct node_ebpf_log_text';

/** An argument of a log. */
export interface LogArgument {
  /** Of the value that was decoded, what it means to the reader of the log. */
  value(decoded: unknown, bytes: Uint8Array): unknown;
  text(decoded: unknown, bytes: Uint8Array): string;
}

/** Why an argument of this type cannot be shown so; undefined when it can. */
export function hintProblem({ layout }: Field, hint: LogHint): string | undefined {
  const { typeName, size } = layout;
  switch (hint) {
    case 'ip':
      return size === 4 || size === 16 ? undefined : `{:ip} takes 4 or 16 bytes, and ${typeName} has ${size}`;
    case 'mac':
      return size === 6 ? undefined : `{:mac} takes 6 bytes, and ${typeName} has ${size}`;
    case 'sym':
      if (layout.kind === 'pointer' || (layout.kind === 'integer' && size === 8)) return undefined;
      return `{:sym} takes an address, and that is of type ${typeName}`;
    default:
      return undefined;
  }
}

/** How an argument is shown. */
export function logArgument(
  { layout }: Field,
  hint: LogHint,
  { littleEndian, symbols }: { readonly littleEndian: boolean; readonly symbols: SymbolNames },
): LogArgument {
  const value = (decoded: unknown): unknown => unwrapped(layout, decoded);
  switch (hint) {
    case 'ip':
      return same((_, bytes) => ipText(bytes));
    case 'mac':
      return same((_, bytes) => Array.from(bytes, hexByte).join(':'));
    case 'x':
    case 'X': {
      const isNumber = ['integer', 'enum', 'bool', 'pointer'].includes(layout.kind);
      const hex = (bytes: Uint8Array): string => (isNumber ? hexNumber(bytes, littleEndian) : hexBytes(bytes));
      return { value, text: (_, bytes) => (hint === 'x' ? hex(bytes) : hex(bytes).toUpperCase()) };
    }
    case 'sym':
      return { value, text: (decoded) => symbols(BigInt.asUintN(64, decoded as bigint)) ?? address(decoded as bigint) };
    case '':
      return { value, text: (decoded) => plainText(layout, decoded) };
  }
}

function same(text: LogArgument['text']): LogArgument {
  return { value: text, text };
}

/** Text behind a pointer is the string in its struct. */
function unwrapped(layout: Layout, decoded: unknown): unknown {
  return layout.typeName === textStruct ? (decoded as { text: string }).text : decoded;
}

function plainText(layout: Layout, decoded: unknown): string {
  switch (layout.kind) {
    case 'pointer':
      return address(decoded as bigint);
    case 'bytes':
      return hexBytes(decoded as Uint8Array);
    case 'array':
      return `[${(decoded as unknown[]).map((element) => plainText(layout.element, element)).join(', ')}]`;
    case 'struct':
    case 'union': {
      const inner = unwrapped(layout, decoded);
      return typeof inner === 'string' ? inner : structText(fieldsOf(layout), inner as Record<string, unknown>);
    }
    default:
      return String(decoded);
  }
}

function structText(fields: readonly Field[], decoded: Record<string, unknown>): string {
  const shown = fields
    .filter(({ layout }) => layout.kind !== 'opaque')
    .map(({ name, layout }) => `${name}: ${plainText(layout, decoded[name])}`);
  return shown.length === 0 ? '{}' : `{ ${shown.join(', ')} }`;
}

function address(value: bigint): string {
  return `0x${BigInt.asUintN(64, value).toString(16)}`;
}

function hexNumber(bytes: Uint8Array, littleEndian: boolean): string {
  const digits = hexBytes(littleEndian ? bytes.toReversed() : bytes).replace(/^0+/, '');
  return digits === '' ? '0' : digits;
}

function hexBytes(bytes: Uint8Array): string {
  return Array.from(bytes, hexByte).join('');
}

function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
