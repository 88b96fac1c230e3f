import { UsageError } from '../../errors/index.js';
import type { MapSpec } from '../map-spec.js';
import type { ObjectSpecOptions } from '../object-spec.js';
import type { ProgramSpec } from '../program-spec.js';

const programFields = ['type', 'attachType', 'attachTo', 'autoload', 'autoAttach', 'flags'] as const;
const mapFields = [
  'kernelName',
  'type',
  'keySize',
  'valueSize',
  'maxEntries',
  'flags',
  'numaNode',
  'mapExtra',
  'pinning',
  'pinPath',
  'autoCreate',
  'readOnly',
] as const;

/**
 * Compares a spec with what its file reads back as: an object file has no words for some changes, such as the path of a
 * pin, and silence about them would be a loss.
 *
 * @throws UsageError naming the first field that a file cannot say.
 */
export function checkWritten(spec: ObjectSpecOptions, written: ObjectSpecOptions): void {
  for (const kind of ['programs', 'maps'] as const) {
    for (const name of written[kind]?.keys() ?? []) {
      if (spec[kind]?.has(name) !== true) throw cannotSay(`${kind}.${name}`, 'taken out');
    }
  }
  for (const [name, program] of spec.programs ?? new Map<string, ProgramSpec>()) {
    compare(`programs.${name}`, program, written.programs?.get(name), programFields);
  }
  for (const [name, map] of spec.maps ?? new Map<string, MapSpec>()) {
    compare(`maps.${name}`, map, written.maps?.get(name), mapFields);
  }
  if (spec.license !== written.license) throw cannotSay('license', spec.license);
  if (spec.kernelVersion !== written.kernelVersion) throw cannotSay('kernelVersion', spec.kernelVersion);
}

function compare<T extends object>(
  path: string,
  ours: T,
  theirs: T | undefined,
  fields: readonly (keyof T & string)[],
): void {
  for (const field of fields) {
    if (theirs?.[field] !== ours[field]) throw cannotSay(`${path}.${field}`, ours[field]);
  }
}

function cannotSay(path: string, value: unknown): UsageError {
  return UsageError.invalidValue(
    path,
    `an object file cannot say that it is ${String(value)}; give it with the load instead`,
  );
}
