import { readFileSync } from 'node:fs';

import { dispatchedPrograms } from '../../../lib/dispatcher/index.js';
import { ObjectSpec } from '../../../lib/object/index.js';
import { sample } from '../../helpers/samples.js';

const spec = ObjectSpec.parse(readFileSync(sample('xdp_dispatched')), { name: 'xdp_dispatched.bpf.o' });

test('an object says how its programs run', () => {
  for (const program of spec.programs.values()) program.autoload = true;
  const { second, first, with_fragments: fragments } = Object.fromEntries(dispatchedPrograms(spec, true));
  expect(second).toEqual({ priority: 10, continueOn: (1 << 1) | (1 << 2), fragments: false });
  expect(first).toEqual({ priority: 50, continueOn: 1 << 2, fragments: false });
  expect(fragments).toEqual({ priority: 50, continueOn: 1 << 2, fragments: true });
});

test('only those that are named are for a dispatcher', () => {
  expect([...dispatchedPrograms(spec, ['third']).keys()]).toEqual(['third']);
  expect([...dispatchedPrograms(spec, false).keys()]).toEqual([]);
  for (const program of spec.programs.values()) program.autoload = program.name === 'second';
  expect([...dispatchedPrograms(spec, true).keys()]).toEqual(['second']);
  expect(() => dispatchedPrograms(spec, ['thrid'])).toThrow('did you mean "third"?');
});
