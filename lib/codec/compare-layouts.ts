import { nearestNames, quote } from '../errors/index.js';
import { endOf, fieldsOf, type Field, type IntegerLayout, type Layout, type StructLayout } from './layout.js';
import { segmentText } from './path.js';

/** The first way in which a declared layout differs from the object's. */
export interface LayoutDifference {
  /** The field at fault, from the outermost struct: `.address[].port`; empty for the whole. */
  readonly path: string;
  readonly problem: string;
  /** The innermost structs that differ, to be shown side by side; undefined when no struct is involved. */
  readonly structs: { readonly declared: StructLayout; readonly actual: StructLayout } | undefined;
  /** The name of the field of these structs at which they part. */
  readonly field: string | undefined;
}

/** What is different, or undefined when every declared field finds its own bytes. */
export function compareLayouts(declared: Layout, actual: Layout): LayoutDifference | undefined {
  return compare(declared, actual, '');
}

function compare(declared: Layout, actual: Layout, path: string): LayoutDifference | undefined {
  if (isStruct(declared) && isStruct(actual) && declared.kind === actual.kind) {
    return compareStructs(declared, actual, path);
  }
  const declaredBytes = byteCount(declared);
  const actualBytes = byteCount(actual);
  if (declaredBytes !== undefined && actualBytes !== undefined) {
    return declaredBytes === actualBytes ? undefined : different(path, lengths(declaredBytes, actualBytes));
  }
  // Names are of the declaration alone.
  if (declared.kind === 'enum' && actual.kind !== 'enum') return compare(declared.integer, actual, path);
  // bytes(n) is how to declare what has no declaration, such as a union.
  if (declared.kind === 'bytes' && declared.size === actual.size) return undefined;
  if (declared.kind === 'array' && actual.kind === 'array') {
    if (declared.length !== actual.length) return different(path, lengths(declared.length, actual.length));
    return compare(declared.element, actual.element, `${path}[]`);
  }
  if (declared.size !== actual.size || !sameKind(declared, actual)) {
    return different(path, `is ${shape(declared)} as declared, ${shape(actual)} in the object`);
  }
  return declared.kind === 'integer' && actual.kind === 'integer' ? compareIntegers(declared, actual, path) : undefined;
}

function compareIntegers(declared: IntegerLayout, actual: IntegerLayout, path: string): LayoutDifference | undefined {
  // Network order declared for a plain __u32 is knowledge that C did not write down; the reverse is a mistake.
  if (actual.byteOrder !== 'host' && declared.byteOrder !== actual.byteOrder) {
    const order = actual.byteOrder === 'big' ? 'big-endian' : 'little-endian';
    return different(path, `has the host's byte order as declared, the object's ${actual.typeName} is ${order}`);
  }
  if (declared.byteOrder === 'host' && declared.signed !== actual.signed) {
    return different(path, `is ${sign(declared)} as declared, ${sign(actual)} in the object`);
  }
  return undefined;
}

function compareStructs(declared: StructLayout, actual: StructLayout, path: string): LayoutDifference | undefined {
  const found = firstDifference(declared, actual, path);
  if (found === undefined) {
    if (declared.size === actual.size) return undefined;
    const problem = `has ${declared.size} bytes as declared, ${actual.size} in the object`;
    return { path, problem, structs: { declared, actual }, field: undefined };
  }
  return found.structs === undefined ? { ...found, structs: { declared, actual } } : found;
}

function firstDifference(declared: StructLayout, actual: StructLayout, path: string): LayoutDifference | undefined {
  const mine = fieldsOf(declared);
  const theirs = fieldsOf(actual);
  const declaredNames = new Set(mine.map(({ name }) => name));
  const found = theirs.filter(({ name }) => declaredNames.has(name));
  const undeclared = theirs.filter((field) => isUndeclared(field, declaredNames, found));
  const byName = new Map(theirs.map((field) => [field.name, field]));
  for (const field of mine) {
    const here = path + segmentText(field.name);
    const other = byName.get(field.name);
    if (other === undefined) return at(field.name, here, missing(field, theirs, declaredNames));
    if (other.bits !== undefined && field.bits === undefined) {
      return at(field.name, here, `is a bit-field of ${other.bits.size} bits in the object, which no declaration has`);
    }
    if (other.offset !== field.offset) {
      const before = undeclared.find((candidate) => candidate.offset < other.offset);
      if (before !== undefined) return notDeclared(before, path);
      return at(field.name, here, `is at offset ${field.offset} as declared, at ${other.offset} in the object`);
    }
    const difference = compare(field.layout, other.layout, here);
    if (difference !== undefined) return { ...difference, field: difference.field ?? field.name };
  }
  const [first] = undeclared;
  return first === undefined ? undefined : notDeclared(first, path);
}

/** True for a field that the declaration leaves out, unless it shares its bytes with one that is declared. */
function isUndeclared(field: Field, declaredNames: ReadonlySet<string>, found: readonly Field[]): boolean {
  if (declaredNames.has(field.name) || field.layout.kind === 'opaque') return false;
  return !found.some((other) => other.offset < endOf(field) && field.offset < endOf(other));
}

function missing(field: Field, theirs: readonly Field[], declaredNames: ReadonlySet<string>): string {
  const others = theirs.filter(({ name }) => !declaredNames.has(name));
  const [near] = nearestNames(
    field.name,
    others.map(({ name }) => name),
  );
  if (near !== undefined) return `is not in the object; did you mean ${quote(near)}?`;
  const same = others.find(({ offset }) => offset === field.offset);
  return same === undefined
    ? 'is not in the object'
    : `is not in the object, which has ${quote(same.name)} at its offset ${same.offset}`;
}

function notDeclared(field: Field, path: string): LayoutDifference {
  return at(
    field.name,
    path + segmentText(field.name),
    `is in the object at offset ${field.offset} (${field.layout.typeName}), but not declared`,
  );
}

function at(field: string, path: string, problem: string): LayoutDifference {
  return { path, problem, structs: undefined, field };
}

function different(path: string, problem: string): LayoutDifference {
  return { path, problem, structs: undefined, field: undefined };
}

function lengths(declared: number, actual: number): string {
  return `has ${declared} elements as declared, ${actual} in the object`;
}

function isStruct(layout: Layout): layout is StructLayout {
  return layout.kind === 'struct' || layout.kind === 'union';
}

/** The length of any array of bytes: a string, bytes, or small integers. */
function byteCount(layout: Layout): number | undefined {
  if (layout.kind === 'string' || layout.kind === 'bytes') return layout.length;
  const isBytes = layout.kind === 'array' && layout.element.kind === 'integer' && layout.element.size === 1;
  return isBytes ? layout.length : undefined;
}

/** Of equal size already: which kinds mean the same bytes. */
function sameKind(declared: Layout, actual: Layout): boolean {
  switch (declared.kind) {
    case 'integer':
      return actual.kind === 'integer' || actual.kind === 'enum' || actual.kind === 'bool' || actual.kind === 'pointer';
    case 'pointer':
      return actual.kind === 'pointer' || actual.kind === 'integer';
    case 'bool':
      return actual.kind === 'bool' || actual.kind === 'integer';
    default:
      return declared.kind === actual.kind;
  }
}

function sign(layout: IntegerLayout): string {
  return `${layout.signed ? 'signed' : 'unsigned'} (${layout.typeName})`;
}

function shape(layout: Layout): string {
  return `${layout.typeName} of ${layout.size} bytes`;
}
