import type { BpfMap } from './maps/index.js';
import type { Program } from './programs/index.js';

/** What an object holds, by name, for static types. Generated typings narrow it. */
export interface Shape {
  /** Maps by name. */
  readonly maps: Readonly<Record<string, BpfMap>>;
  /** Programs by name. */
  readonly programs: Readonly<Record<string, Program>>;
  /** Types of the global variables by name. */
  readonly variables: Readonly<Record<string, unknown>>;
}

/** An object of which nothing is known at compile time. */
export type AnyShape = Shape;

/** The values of an object's global variables by name, as `ebpf.variables` has them. */
export type VariableValues<S extends Shape = AnyShape> = {
  -readonly [Name in keyof S['variables']]: S['variables'][Name];
};
