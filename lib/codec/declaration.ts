import { isIdentifier } from './declared.js';
import type { IntegerLayout, Layout, StructLayout } from './layout.js';

const MOST_FIELDS = 64;

/** How to declare this layout in JavaScript, or undefined when `struct` and its types cannot say it. */
export function declarationOf(layout: Layout): string | undefined {
  switch (layout.kind) {
    case 'integer':
      return integerDeclaration(layout);
    case 'enum':
      return integerDeclaration(layout.integer);
    case 'float':
      return `f${layout.size * 8}`;
    case 'bool':
      return layout.size === 1 ? 'bool' : undefined;
    case 'pointer':
      return 'pointer';
    case 'string':
      return `cstr(${layout.length})`;
    case 'bytes':
      return layout.alignment === 1 ? `bytes(${layout.length})` : undefined;
    case 'array': {
      const element = declarationOf(layout.element);
      return element === undefined ? undefined : `array(${element}, ${layout.length})`;
    }
    case 'struct':
      return structDeclaration(layout);
    case 'union':
    case 'opaque':
      return undefined;
  }
}

function integerDeclaration({ size, signed, byteOrder }: IntegerLayout): string | undefined {
  if (size === 16 || byteOrder === 'little') return undefined;
  if (byteOrder === 'big') return signed ? undefined : `be${size * 8}`;
  return `${signed ? 'i' : 'u'}${size * 8}`;
}

function structDeclaration(layout: StructLayout): string | undefined {
  const { members, size } = layout;
  const tag = layout.typeName.replace(/^struct /, '');
  if (members.length === 0 || members.length > MOST_FIELDS) return undefined;
  const name = isIdentifier(tag) ? tag : 'anonymous';
  const fields: string[] = [];
  let end = 0;
  let alignment = 1;
  let isNatural = true;
  let isPacked = true;
  for (const { name: field, offset, layout: type, bits } of members) {
    const declaration = declarationOf(type);
    if (field === undefined || !isIdentifier(field) || bits !== undefined || declaration === undefined)
      return undefined;
    fields.push(`${field === '__proto__' ? '["__proto__"]' : field}: ${declaration}`);
    isNatural &&= offset === roundUp(end, type.alignment);
    isPacked &&= offset === end;
    end = offset + type.size;
    alignment = Math.max(alignment, type.alignment);
  }
  const body = `struct('${name}', { ${fields.join(', ')} }`;
  if (isNatural && roundUp(end, alignment) === size) return `${body})`;
  return isPacked && end === size ? `${body}, { packed: true })` : undefined;
}

function roundUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}
