// Objects that others compiled and published, against the BTF of real kernels, oldest to newest.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

import { Btf } from '../../../lib/btf/index.js';
import { RelocationError, UnsupportedError, UsageError } from '../../../lib/errors/index.js';
import { ObjectSpec } from '../../../lib/object/index.js';
import { relocate } from '../../../lib/relocate/index.js';
import { fetchedKernels } from '../../helpers/fetched-kernels.js';
import { fetchedObjects } from '../../helpers/fetched-objects.js';
import { testIf } from '../../helpers/skip.js';
import { facts } from './fixtures.js';

/** The oldest and the newest of one architecture. */
const kernels = fetchedKernels().filter(({ name }) => /^x64-(5\.10|7(?:\.\d+)?)$/.test(name));
const objects = fetchedObjects().filter((object) => object.package === 'libbpf-tools');

/** The instructions whose accesses have no place in that kernel, or the typed error. */
function relocated(spec: ObjectSpec, btf: Btf): { code: number; poisons: number } {
  try {
    const plans = [...relocate(spec, { ...facts, littleEndian: btf.littleEndian, btf }).programs()];
    return {
      code: plans.reduce((sum, { code }) => sum + code.byteLength, 0),
      poisons: plans.reduce((sum, { poisons }) => sum + poisons.length, 0),
    };
  } catch (error) {
    const typed = [RelocationError, UnsupportedError, UsageError].some((type) => error instanceof type);
    if (!typed) throw error;
    return { code: 0, poisons: 0 };
  }
}

testIf(kernels.length > 0 && objects.length > 0, 'fetched objects')(
  'each program of libbpf-tools is adapted to each kernel, or says why not',
  () => {
    for (const kernel of kernels) {
      const btf = Btf.parse(readFileSync(kernel.btf), { name: 'vmlinux' });
      let programs = 0;
      let adapted = 0;
      for (const { file } of objects) {
        const spec = ObjectSpec.parse(readFileSync(file), { name: basename(file) });
        for (const { name } of spec.programs.values()) {
          const one = spec.clone();
          for (const program of one.programs.values()) program.autoload = program.name === name;
          programs++;
          if (relocated(one, btf).code > 0) adapted++;
        }
      }
      // Each kernel lacks functions that some of them attach to; most fit any kernel, which is what CO-RE is for.
      expect(programs).toBeGreaterThan(200);
      expect({ kernel: kernel.name, most: adapted > 0.8 * programs }).toEqual({ kernel: kernel.name, most: true });
    }
  },
);
