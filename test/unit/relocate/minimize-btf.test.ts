import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Btf, BtfBuilder, BtfKind } from '../../../lib/btf/index.js';
import { UsageError } from '../../../lib/errors/index.js';
import { ObjectSpec } from '../../../lib/object/index.js';
import { minimizeBtf } from '../../../lib/relocate/index.js';
import { describeAccess } from '../../../lib/relocate/core/access.js';
import { CoreRelocationKind } from '../../../lib/relocate/core/core-relocation-kind.js';
import { CoreResolver } from '../../../lib/relocate/core/core-resolver.js';
import { testIf } from '../../helpers/skip.js';

const folder = join(__dirname, '../../../bpf-samples');
const vmlinux = '/sys/kernel/btf/vmlinux';

function objects(littleEndian: boolean): ObjectSpec[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.o'))
    .map((name) => ObjectSpec.parse(readFileSync(join(folder, name)), { name }))
    .filter((object) => object.littleEndian === littleEndian && object.btf !== undefined);
}

/** The answer to each CO-RE relocation: all that relocating writes into code follows from these. */
function answers(object: ObjectSpec, kernel: Btf): string[] {
  const { btf } = object;
  if (btf === undefined) return [];
  const resolver = new CoreResolver(btf, kernel);
  const tables = [...object.programs.values()].map((program) => program.function.coreRelocations);
  tables.push(...[...object.functions.values()].map((spec) => spec.coreRelocations));
  return tables.flatMap((table) =>
    [...table.kinds].flatMap((kind, row) => {
      // The kernel's own ids are no part of a copy.
      if (kind === CoreRelocationKind.TYPE_ID_TARGET) return [];
      try {
        const answer = resolver.resolve(kind, table.typeIds[row] ?? 0, table.accessStrings[row] ?? 0);
        const { local, value, expected, size, localSize, sizeMisfit } = answer;
        return [`${kind} ${describeAccess(local)}: ${value} ${expected} ${size} ${localSize} ${sizeMisfit}`];
      } catch (error) {
        return [`${kind}: ${String(error).replace(/BTF id \d+/gu, 'BTF id')}`];
      }
    }),
  );
}

describe.each([true, false])('little-endian: %s', (littleEndian) => {
  testIf(existsSync(vmlinux), 'kernel BTF')('every relocation of the samples has the answer of the whole BTF', () => {
    const whole = Btf.parse(readFileSync(vmlinux), { name: 'vmlinux' });
    const kernel =
      whole.littleEndian === littleEndian
        ? whole
        : Btf.parse(BtfBuilder.from(whole, { littleEndian }).encode(), { name: 'vmlinux' });
    const all = objects(littleEndian);
    const shared = minimizeBtf(all, kernel);
    shared.validate();
    // A few KB of 5 MB.
    expect(shared.bytes.byteLength).toBeLessThan(kernel.bytes.byteLength / 100);
    let count = 0;
    for (const object of all) {
      const wanted = answers(object, kernel);
      count += wanted.length;
      expect(answers(object, shared)).toEqual(wanted);
      expect(answers(object, minimizeBtf([object], kernel))).toEqual(wanted);
    }
    expect(count).toBeGreaterThan(20);
  });
});

describe.each([true, false])('of a kernel that has the types of all samples, little-endian: %s', (littleEndian) => {
  const all = objects(littleEndian);
  const builder = new BtfBuilder({ littleEndian });
  for (let count = 0; count < 500; count++) builder.addTypedef(`unrelated_${count}`, 0);
  for (const { btf } of all) if (btf !== undefined) builder.addAll(btf);
  const kernel = Btf.parse(builder.encode(), { name: 'vmlinux' }).deduplicate().btf;

  test('every relocation has the answer of the whole', () => {
    const shared = minimizeBtf(all, kernel);
    shared.validate();
    expect(shared.endId).toBeLessThan(kernel.endId / 4);
    expect(shared.find('unrelated_0')).toBeUndefined();
    let count = 0;
    for (const object of all) {
      const wanted = answers(object, kernel);
      count += wanted.filter((answer) => !answer.includes('Error')).length;
      expect(answers(object, shared)).toEqual(wanted);
      expect(answers(object, minimizeBtf([object], kernel))).toEqual(wanted);
    }
    expect(count).toBeGreaterThan(20);
  });
});

test('objects without BTF have no relocations to keep types for', () => {
  const kernel = Btf.parse(new BtfBuilder({ littleEndian: true }).encode(), { name: 'vmlinux' });
  const object = new ObjectSpec({ name: 'a.bpf.o', littleEndian: true });
  expect(() => minimizeBtf([object], kernel)).toThrow('objects: a.bpf.o has no BTF, so no CO-RE relocations');
});

test('an object keeps the members that it reads, and the way to them', () => {
  const [object] = objects(true).filter(({ name }) => name === 'execsnoop.bpf.o');
  if (object?.btf === undefined) throw new Error('no sample');
  const builder = new BtfBuilder({ littleEndian: true });
  const int = builder.addInt('int', { size: 4, signed: true });
  const at = (name: string, type: number, bitOffset: number) => ({ name, type, bitOffset, bitSize: 0 });
  const anonymous = builder.addStruct('', 8, [at('tgid', int, 0), at('unused', int, 32)]);
  const struct = builder.addStruct('task_struct', 24, [
    at('first', int, 0),
    at('', anonymous, 32),
    at('end', int, 160),
  ]);
  builder.addStruct('never_asked_for', 4, [at('a', int, 0)]);
  const kernel = Btf.parse(builder.encode(), { name: 'vmlinux' });
  const small = minimizeBtf([object], kernel);
  expect(small.find('never_asked_for')).toBeUndefined();
  expect(small.sizeOf(small.find('task_struct', BtfKind.STRUCT) ?? 0)).toBe(kernel.sizeOf(struct));
  const type = small.type(small.find('task_struct', BtfKind.STRUCT) ?? 0);
  expect(type).toMatchObject({
    members: [
      { name: '', bitOffset: 32 },
      { name: 'end', bitOffset: 160 },
    ],
  });
});

test("the byte order must be the kernel's", () => {
  const [object] = objects(false);
  const kernel = Btf.parse(new BtfBuilder({ littleEndian: true }).encode(), { name: 'vmlinux' });
  expect(() => minimizeBtf(object === undefined ? [] : [object], kernel)).toThrow(UsageError);
});
