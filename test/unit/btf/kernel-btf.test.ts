import { existsSync, readFileSync } from 'node:fs';

import { Btf, BtfBuilder, BtfKind, typeName } from '../../../lib/btf/index.js';
import { fetchedKernels } from '../../helpers/fetched-kernels.js';
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

  kernelTest('decoded type by type and built anew, it has the same bytes', () => {
    expectSameBytes(path);
  });
});

const kernels = fetchedKernels();

describe('the BTF of a fetched kernel, decoded type by type and built anew, has the same bytes', () => {
  const known = kernels.length === 0 ? [{ name: 'none', btf: '' }] : kernels;
  for (const { name, btf } of known) {
    testIf(kernels.length > 0, 'fetched kernels')(name, () => {
      expectSameBytes(btf);
    });
  }
});

/** Decoded type by type from bytes that are gone when it is encoded; then in the other byte order and back. */
function expectSameBytes(file: string): void {
  const input = readFileSync(file);
  const original = Buffer.from(input);
  const btf = Btf.parse(input, { name: file });
  const builder = new BtfBuilder({ littleEndian: btf.littleEndian, strings: btf.allStrings() });
  for (let id = btf.startId; id < btf.endId; id++) builder.add(btf.type(id));
  input.fill(0);
  expect([file, original.equals(builder.encode())]).toEqual([file, true]);

  const swapped = BtfBuilder.from(Btf.parse(original, { name: file }), { littleEndian: !btf.littleEndian });
  const other = Btf.parse(swapped.encode(), { name: 'swapped' });
  expect(other.littleEndian).toBe(!btf.littleEndian);
  const back = BtfBuilder.from(other, { littleEndian: btf.littleEndian }).encode();
  expect([file, original.equals(back)]).toEqual([file, true]);
}
