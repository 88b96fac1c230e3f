import { existsSync, readFileSync } from 'node:fs';

import { Btf, BtfBuilder, BtfKind, typeName } from '../../../lib/btf/index.js';
import { testIf } from '../../helpers/skip.js';

const path = '/sys/kernel/btf/vmlinux';
const kernelTest = testIf(existsSync(path), 'kernel BTF');

describe('the BTF of the running kernel', () => {
  const read = async () => Btf.parseAsync(readFileSync(path), { name: 'vmlinux' });

  kernelTest('is valid, and types are found by name', async () => {
    const btf = await read();
    btf.validate();
    const task = btf.find('task_struct', BtfKind.STRUCT) ?? 0;
    expect(typeName(btf, task)).toBe('struct task_struct');
    expect(btf.alignmentOf(task)).toBe(8);
    expect(btf.sizeOf(task)).toBeGreaterThan(1_000);
    const type = btf.type(task);
    const members = type.kind === BtfKind.STRUCT ? type.members : [];
    const comm = members.find(({ name }) => name === 'comm');
    expect(comm?.type === undefined ? '' : typeName(btf, comm.type)).toBe('char [16]');
    expect(btf.findByEssentialName('task_struct')).toContain(task);
    expect(btf.find('no_such_type_in_any_kernel')).toBeUndefined();
  });

  kernelTest('every type can be made, named, and found under its name', async () => {
    const btf = await read();
    let named = 0;
    for (let id = btf.startId; id < btf.endId; id++) {
      const type = btf.type(id);
      if (type.name === '' || id % 97 !== 0) continue;
      named++;
      expect(btf.findAll(type.name)).toContain(id);
      expect(btf.findAll(type.name, type.kind)).toContain(id);
      expect(typeName(btf, id)).not.toBe('');
    }
    expect(named).toBeGreaterThan(100);
  });

  kernelTest('every struct has an alignment that divides its size', async () => {
    const btf = await read();
    for (let id = btf.startId; id < btf.endId; id++) {
      const kind = btf.kind(id);
      if (kind !== BtfKind.STRUCT && kind !== BtfKind.UNION) continue;
      const size = btf.sizeOf(id);
      if (size % btf.alignmentOf(id) !== 0) throw new Error(`${typeName(btf, id)}: ${size} bytes`);
    }
  });

  kernelTest(
    'decoded type by type and built anew, it has the same bytes; in the other byte order and back, too',
    () => {
      const input = readFileSync(path);
      const original = Buffer.from(input);
      const btf = Btf.parse(input, { name: 'vmlinux' });
      const builder = new BtfBuilder({ littleEndian: btf.littleEndian, strings: btf.allStrings() });
      for (let id = btf.startId; id < btf.endId; id++) builder.add(btf.type(id));
      input.fill(0);
      expect(original.equals(builder.encode())).toBe(true);

      const swapped = BtfBuilder.from(Btf.parse(original, { name: 'vmlinux' }), { littleEndian: !btf.littleEndian });
      const other = Btf.parse(swapped.encode(), { name: 'swapped' });
      expect(other.littleEndian).toBe(!btf.littleEndian);
      expect(original.equals(BtfBuilder.from(other, { littleEndian: btf.littleEndian }).encode())).toBe(true);
    },
  );
});
