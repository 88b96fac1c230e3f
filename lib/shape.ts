import type { BpfMap } from './maps/index.js';
import type { Program } from './programs/index.js';

/** What an object holds, by name, for static types. Generated typings narrow it. */
export interface Shape {
  readonly maps: Readonly<Record<string, BpfMap>>;
  readonly programs: Readonly<Record<string, Program>>;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** An object of which nothing is known at compile time. */
export type AnyShape = Shape;
