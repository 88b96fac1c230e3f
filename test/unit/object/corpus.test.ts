// Objects that others compiled and published. `npm run corpus` also compares them with libbpf and loads them.
import { readFileSync } from 'node:fs';

import { EbpfError } from '../../../lib/errors/index.js';
import { ObjectSpec } from '../../../lib/object/index.js';
import { fetchedObjects } from '../../helpers/fetched-objects.js';
import { testIf } from '../../helpers/skip.js';

const objects = fetchedObjects();

/** cilium/ebpf tests its own reader with them. */
const madeToBeRefused = /\/invalid_map-e[lb]\.elf$/;

/** What does not hold together in a spec. */
function flawsOf(spec: ObjectSpec): string[] {
  const flaws: string[] = [];
  if (spec.programs.size === 0 && spec.maps.size === 0) flaws.push('nothing in it');
  for (const map of spec.maps.values()) {
    if (map.initialValue !== undefined && map.initialValue.byteLength !== map.valueSize) {
      flaws.push(`map ${map.name} begins with ${map.initialValue.byteLength} bytes of ${map.valueSize}`);
    }
  }
  for (const variable of spec.variables.values()) {
    if (variable.offset + variable.size > spec.map(variable.map).valueSize) flaws.push(`variable ${variable.name}`);
  }
  for (const { name, code, references, lines } of spec.functions.values()) {
    if (code.byteLength === 0 || code.byteLength % 8 !== 0) flaws.push(`function ${name} of ${code.byteLength} bytes`);
    for (const reference of references) {
      const known =
        reference.kind === 'map' || reference.kind === 'data'
          ? spec.maps.has(reference.map)
          : reference.kind === 'call' || reference.kind === 'function-address'
            ? spec.functions.has(reference.function)
            : reference.kind !== 'extern' || spec.externs.has(reference.name);
      if (!known || reference.offset >= code.byteLength) flaws.push(`${name}: ${JSON.stringify(reference)}`);
    }
    if (lines.offsets.some((offset) => offset >= code.byteLength)) flaws.push(`${name}: a line past its end`);
  }
  return flaws;
}

function readingOf(file: string): string {
  try {
    return flawsOf(ObjectSpec.parse(readFileSync(file), { name: 'corpus.bpf.o' })).join('; ');
  } catch (error) {
    if (EbpfError.is(error)) return error.code;
    throw error;
  }
}

testIf(objects.length > 0, 'fetched objects')('objects of Debian packages parse, and hold together', () => {
  const problems = objects
    .map(({ source, file }) => ({ source, problem: readingOf(file) }))
    .filter(({ source, problem }) => problem !== (madeToBeRefused.test(source) ? 'ERR_EBPF_OBJECT_FORMAT' : ''));
  expect(problems).toEqual([]);
});
