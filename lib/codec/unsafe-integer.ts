import { fieldsOf, type Layout } from './layout.js';

/** Thrown while decoding, turned into a UsageError with the field's path by whoever knows the layout. */
export class UnsafeInteger extends Error {
  readonly offset: number;
  readonly value: bigint;

  constructor(offset: number, value: bigint) {
    super('unsafe integer');
    this.offset = offset;
    this.value = value;
  }
}

/** The path (`.addr[3].high`) of the wide integer at `offset`: errors are rare, so the layout is searched for it. */
export function pathAt(layout: Layout, offset: number): string {
  if (layout.kind === 'array' && layout.element.size > 0) {
    const index = Math.floor(offset / layout.element.size);
    return `[${index}]${pathAt(layout.element, offset - index * layout.element.size)}`;
  }
  if (layout.kind !== 'struct' && layout.kind !== 'union') return '';
  for (const field of fieldsOf(layout)) {
    const inside = offset - field.offset;
    const reaches = inside >= 0 && (inside < field.layout.size || field.layout.size === 0);
    if (reaches && holdsNumberAt(field.layout, inside)) return `.${field.name}${pathAt(field.layout, inside)}`;
  }
  return '';
}

function holdsNumberAt(layout: Layout, offset: number): boolean {
  switch (layout.kind) {
    case 'integer':
      return offset === 0 && layout.wide === 'number' && layout.size >= 8;
    case 'enum':
      return holdsNumberAt(layout.integer, offset);
    case 'array':
      return layout.element.size > 0 && holdsNumberAt(layout.element, offset % layout.element.size);
    case 'struct':
    case 'union':
      return fieldsOf(layout).some((field) => {
        const inside = offset - field.offset;
        return inside >= 0 && inside < field.layout.size && holdsNumberAt(field.layout, inside);
      });
    default:
      return false;
  }
}
