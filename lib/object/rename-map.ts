import { UsageError } from '../errors/index.js';
import type { FunctionSpec } from './function-spec.js';
import { kernelNameOf, MapSpec } from './map-spec.js';
import type { ObjectSpec } from './object-spec.js';
import { ProgramSpec } from './program-spec.js';
import type { Reference } from './reference.js';

/** Puts a map under another name, in its place among the others, with all that refers to it. */
export function renameMap(spec: ObjectSpec, name: string, newName: string): void {
  const map = spec.map(name);
  if (map.kind !== 'declared') throw UsageError.invalidValue(`maps.${name}`, 'a data map is named by its section');
  if (spec.maps.has(newName)) throw UsageError.invalidValue(`maps.${name}`, `there is a map ${newName} already`);
  const renamed = new MapSpec(
    Object.assign({}, map, { name: newName, kernelName: kernelNameOf(newName), inner: renamedInner(map, newName) }),
  );
  rebuild(spec.maps, (key, other) => (key === name ? [newName, renamed] : [key, other]));
  for (const other of spec.maps.values()) {
    if (!other.slots.some((slot) => slot.kind === 'map' && slot.name === name)) continue;
    other.slots = other.slots.map((slot) =>
      slot.kind === 'map' && slot.name === name ? { ...slot, name: newName } : slot,
    );
  }
  rebuild(spec.functions, (key, one) => [key, renamedIn(one, name, newName)]);
  rebuild(spec.programs, (key, program) => {
    const code = renamedIn(program.function, name, newName);
    return [key, code === program.function ? program : new ProgramSpec(Object.assign({}, program, { function: code }))];
  });
}

function renamedInner(map: MapSpec, newName: string): MapSpec | undefined {
  const { inner } = map;
  return inner?.name === `${map.name}.inner`
    ? new MapSpec(Object.assign({}, inner, { name: `${newName}.inner`, kernelName: kernelNameOf(`${newName}.inner`) }))
    : inner;
}

function renamedIn(one: FunctionSpec, name: string, newName: string): FunctionSpec {
  const isUse = (reference: Reference): boolean => reference.kind === 'map' && reference.map === name;
  if (!one.references.some(isUse)) return one;
  return {
    ...one,
    references: one.references.map((use) => (use.kind === 'map' && isUse(use) ? { ...use, map: newName } : use)),
  };
}

/** Replaces every entry, in order. */
function rebuild<T>(map: Map<string, T>, change: (key: string, value: T) => [string, T]): void {
  const entries = [...map].map(([key, value]) => change(key, value));
  map.clear();
  for (const [key, value] of entries) map.set(key, value);
}
