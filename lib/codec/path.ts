import { quote } from '../errors/index.js';

/** Where a value stands inside what is being encoded. Made for nested values only; turned into text only for errors. */
export type Path = string | PathSegment;

/** A field's name, an array index, or undefined for the value that the parent path itself names. */
export type Segment = string | number | undefined;

export class PathSegment {
  readonly parent: Path;
  readonly segment: string | number;

  constructor(parent: Path, segment: string | number) {
    this.parent = parent;
    this.segment = segment;
  }
}

export function within(parent: Path, segment: Segment): Path {
  return segment === undefined ? parent : new PathSegment(parent, segment);
}

/** `value.addr[3]`; a name that is no identifier is quoted: `value["\x1b[0m"]`. */
export function pathText(parent: Path, segment?: Segment): string {
  const front = typeof parent === 'string' ? parent : pathText(parent.parent, parent.segment);
  return segment === undefined ? front : front + segmentText(segment);
}

export function segmentText(segment: string | number): string {
  if (typeof segment === 'number') return `[${segment}]`;
  return /^[A-Za-z_$][\w$]*$/.test(segment) ? `.${segment}` : `[${quote(segment)}]`;
}
