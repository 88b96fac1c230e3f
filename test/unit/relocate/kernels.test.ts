// The same object bytes against the BTF of real kernels, oldest to newest.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Instruction } from '../../../lib/asm/index.js';
import { Btf, BtfKind } from '../../../lib/btf/index.js';
import { ObjectSpec } from '../../../lib/object/index.js';
import { relocate } from '../../../lib/relocate/index.js';
import { fetchedKernels } from '../../helpers/fetched-kernels.js';
import { testIf } from '../../helpers/skip.js';
import { facts } from './fixtures.js';

const folder = join(__dirname, '../../../bpf-samples');
const kernels = fetchedKernels();

/** The byte offset of a member of the kernel's task_struct; anonymous structs and unions are looked into. */
function taskOffset(btf: Btf, member: string): number {
  const search = (id: number): number | undefined => {
    const type = btf.type(btf.skipModifiers(id));
    if (type.kind !== BtfKind.STRUCT && type.kind !== BtfKind.UNION) return undefined;
    for (const one of type.members) {
      if (one.name === member) return one.bitOffset / 8;
      const inner = one.name === '' ? search(one.type) : undefined;
      if (inner !== undefined) return one.bitOffset / 8 + inner;
    }
    return undefined;
  };
  const found = search(btf.find('task_struct', BtfKind.STRUCT) ?? 0);
  if (found === undefined) throw new Error(`task_struct has no ${member}`);
  return found;
}

testIf(kernels.length > 0, 'fetched kernels')('execsnoop fits every kernel, with the offsets of each', () => {
  for (const kernel of kernels) {
    const btf = Btf.parse(readFileSync(kernel.btf), { name: 'vmlinux' });
    const name = btf.littleEndian ? 'execsnoop.bpf.o' : 'execsnoop.bpfeb.o';
    const object = ObjectSpec.parse(readFileSync(join(folder, name)), { name });
    const plans = [...relocate(object, { ...facts, littleEndian: btf.littleEndian, btf }).programs()];
    expect({ kernel: kernel.name, poisons: plans.map(({ poisons }) => poisons) }).toEqual({
      kernel: kernel.name,
      poisons: [[]],
    });
    const [plan] = plans;
    if (plan === undefined) throw new Error('the object has no program');
    const instruction = new Instruction(plan.code, btf.littleEndian);
    const numbers = new Set<number>();
    for (let index = 0; index < instruction.count; index += instruction.at(index).slots) {
      instruction.at(index);
      numbers.add(instruction.immediate).add(instruction.offset);
    }
    const wanted = ['real_parent', 'tgid', 'cred', 'comm'].map((member) => taskOffset(btf, member));
    expect({ kernel: kernel.name, missing: wanted.filter((offset) => !numbers.has(offset)) }).toEqual({
      kernel: kernel.name,
      missing: [],
    });
  }
});

testIf(kernels.length > 0, 'fetched kernels')('the BTF of the oldest and of the newest kernel is well-formed', () => {
  for (const kernel of kernels.filter(({ name }) => /-(5\.10|7)$/.test(name))) {
    const btf = Btf.parse(readFileSync(kernel.btf), { name: kernel.name });
    expect(() => btf.validate()).not.toThrow();
    expect(btf.sizeOf(btf.find('task_struct', BtfKind.STRUCT) ?? 0)).toBeGreaterThan(1000);
  }
});
