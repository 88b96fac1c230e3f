import type { ObjectSpec } from '../object/index.js';
import { KconfigWriter } from './kconfig-writer.js';
import type { KconfigFacts } from './load-plan.js';

/** The map of configuration values, as libbpf names it too. */
export const KCONFIG_MAP = '.kconfig';

/** The names that an object gives to configuration values. */
export function kconfigNames(object: ObjectSpec): Set<string> {
  const names = new Set<string>();
  if (!isWanted(object)) return names;
  for (const { name, section } of object.variables.values()) if (section === KCONFIG_MAP) names.add(name);
  return names;
}

/**
 * The contents of the map of configuration values; undefined when the object has none, or brings contents of its own.
 * Strings that are longer than their array are cut, which adds a warning.
 *
 * @throws {RelocationError} for a value that is missing or does not fit its type.
 */
export function kconfigValue(
  object: ObjectSpec,
  facts: KconfigFacts | undefined,
  warnings: string[],
): Uint8Array | undefined {
  const { btf } = object;
  const map = object.maps.get(KCONFIG_MAP);
  if (!isWanted(object) || btf === undefined || map === undefined) return undefined;
  const bytes = new Uint8Array(map.valueSize);
  const writer = new KconfigWriter(object, btf, facts, bytes, warnings);
  for (const variable of object.variables.values()) if (variable.section === KCONFIG_MAP) writer.write(variable);
  return bytes;
}

function isWanted(object: ObjectSpec): boolean {
  const map = object.maps.get(KCONFIG_MAP);
  return map?.kind === 'data' && map.autoCreate && map.initialValue === undefined;
}
