import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import fc from 'fast-check';

import { disassemble, Instruction } from '../../../lib/asm/index.js';
import { Btf, BtfBuilder, BtfKind } from '../../../lib/btf/index.js';
import { EbpfError } from '../../../lib/errors/index.js';
import { ObjectSpec } from '../../../lib/object/index.js';
import { type KernelFacts, needs, type ProgramPlan, relocate } from '../../../lib/relocate/index.js';
import { CoreRelocationKind } from '../../../lib/relocate/core/core-relocation-kind.js';
import { testIf } from '../../helpers/skip.js';
import { facts } from './fixtures.js';

const folder = join(__dirname, '../../../bpf-samples');
const vmlinux = '/sys/kernel/btf/vmlinux';
// Buffers, as users have them: their slice() is no copy.
const bytesOf = (name: string): Uint8Array => readFileSync(join(folder, `${name}.o`));
const parse = (name: string): ObjectSpec => ObjectSpec.parse(bytesOf(name), { name: `${name}.o` });

/** The object's own types as the kernel's, with `change` made to each struct: bits by which its members move on. */
function kernelLike(object: ObjectSpec, move: (name: string) => number): Btf {
  const { btf } = object;
  if (btf === undefined) throw new Error('the sample has no BTF');
  const builder = new BtfBuilder({ littleEndian: btf.littleEndian });
  for (let id = btf.startId; id < btf.endId; id++) {
    const type = btf.type(id);
    if (type.kind !== BtfKind.STRUCT) {
      builder.add(type);
      continue;
    }
    // A kernel has one type of a name, the object its flavours.
    const name = type.name.replace('___', '_');
    const bits = move(name);
    const members = type.members.map((member) => ({ ...member, bitOffset: member.bitOffset + bits }));
    builder.add({ ...type, name, size: type.size + bits / 8, members });
  }
  // What tp_btf attaches to.
  builder.addTypedef('btf_trace_sched_process_exec', 0);
  builder.addTypedef('btf_trace_sched_process_exit', 0);
  return Btf.parse(builder.encode(), { name: 'vmlinux' });
}

function plansOf(object: ObjectSpec, btf: Btf): ProgramPlan[] {
  const kernel: KernelFacts = { ...facts, littleEndian: object.littleEndian, btf };
  return [...relocate(object, kernel).programs()];
}

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** The offsets that FIELD_BYTE_OFFSET relocations have put into a program, by instruction. */
function fieldOffsets(object: ObjectSpec, plan: ProgramPlan): Map<string, number> {
  const found = new Map<string, number>();
  const instruction = new Instruction(plan.code, object.littleEndian);
  const functions = [plan.spec.function, ...object.functions.values()];
  for (const spec of functions) {
    const start = functionStart(plan, object, spec.name);
    if (start === undefined) continue;
    for (const [row, offset] of spec.coreRelocations.offsets.entries()) {
      if (spec.coreRelocations.kinds[row] !== CoreRelocationKind.FIELD_BYTE_OFFSET) continue;
      instruction.at(start + offset / 8);
      const isImmediate = [4, 7].includes(instruction.class);
      const access = `${spec.coreRelocations.typeIds[row] ?? 0}:${spec.coreRelocations.accessStrings[row] ?? 0}`;
      found.set(access, isImmediate ? instruction.immediate : instruction.offset);
    }
  }
  return found;
}

function functionStart(plan: ProgramPlan, object: ObjectSpec, name: string): number | undefined {
  const { btf } = object;
  const records = new DataView((plan.functionInfo ?? new Uint8Array(0)).slice().buffer);
  for (let at = 0; at < records.byteLength; at += 8) {
    const type = records.getUint32(at + 4, object.littleEndian);
    if (btf?.nameOf(type) === name) return records.getUint32(at, object.littleEndian);
  }
  return undefined;
}

test.each(['execsnoop.bpf', 'execsnoop.bpfeb', 'core_missing.bpf', 'two_rings.bpf'])(
  '%s is the same code on a kernel of the object’s own types',
  (name) => {
    const object = parse(name);
    for (const plan of plansOf(
      object,
      kernelLike(object, () => 0),
    )) {
      const own = plan.spec.function;
      const before = new Instruction(own.code, object.littleEndian);
      const after = new Instruction(plan.code, object.littleEndian);
      const rows = new Set(own.references.map(({ offset }) => offset / 8));
      for (let index = 0; index < before.count; index += before.at(index).slots) {
        if (rows.has(index)) continue;
        expect([index, after.at(index).opcode, after.offset, after.immediate]).toEqual([
          index,
          before.at(index).opcode,
          before.offset,
          before.immediate,
        ]);
      }
      expect(plan.poisons).toEqual([]);
    }
  },
);

test.each(['execsnoop.bpf', 'execsnoop.bpfeb'])('%s follows structs that move, each by its own amount', (name) => {
  const object = parse(name);
  const original = parse(name);
  const [untouched] = plansOf(
    original,
    kernelLike(original, () => 0),
  );
  if (untouched === undefined) throw new Error('no program');
  const before = fieldOffsets(object, untouched);
  expect(before.size).toBeGreaterThanOrEqual(5);
  fc.assert(
    fc.property(fc.nat(100), fc.nat(100), fc.nat(100), (task, cred, others) => {
      const move = (struct: string): number =>
        64 * (struct === 'task_struct' ? task : struct === 'cred' ? cred : others);
      const target = kernelLike(object, move);
      const [plan] = plansOf(object, target);
      if (plan === undefined) throw new Error('no program');
      for (const [access, offset] of fieldOffsets(object, plan)) {
        const [typeId = 0, string = 0] = access.split(':').map(Number);
        const root = object.btf?.nameOf(typeId) ?? '';
        const depth = (object.btf?.string(string) ?? '').split(':').length;
        // The inner struct of cred.uid.val has moved on its own account.
        const inner = depth > 2 ? 8 * others : 0;
        expect(offset).toBe((before.get(access) ?? -1) + move(root) / 8 + inner);
      }
    }),
    { numRuns: 25 },
  );
});

test.each(['execsnoop', 'subprograms', 'callbacks'])('%s becomes the same instructions in both byte orders', (name) => {
  const [little, big] = ['bpf', 'bpfeb'].map((order) => {
    const object = parse(`${name}.${order}`);
    const plans = plansOf(
      object,
      kernelLike(object, (struct) => struct.length * 64),
    );
    return plans.map((plan) => disassemble(plan.code, object.littleEndian).split('\n'));
  });
  expect(little).toEqual(big);
});

test.each(['execsnoop.bpf', 'subprograms.bpf', 'callbacks.bpf', 'maps.bpf', 'core.bpf'])(
  '%s relocates to equal bytes each time, and neither file nor spec is written',
  (name) => {
    const bytes = bytesOf(name);
    const before = digest(bytes);
    const object = ObjectSpec.parse(bytes, { name });
    const btf = kernelLike(object, () => 128);
    const first = plansOf(object, btf);
    const second = plansOf(object, btf);
    expect(second.map(({ code }) => digest(code))).toEqual(first.map(({ code }) => digest(code)));
    expect(second.map((plan) => plan.bindings)).toEqual(first.map((plan) => plan.bindings));
    for (const plan of first) plan.code.fill(0xff);
    expect(digest(bytes)).toBe(before);
    expect(plansOf(object.clone(), btf).map(({ code }) => digest(code))).toEqual(
      second.map(({ code }) => digest(code)),
    );
  },
);

test('a program’s functions have types and lines that the kernel takes', () => {
  const object = parse('subprograms.bpf');
  for (const plan of plansOf(
    object,
    kernelLike(object, () => 0),
  )) {
    const functions = new Uint32Array((plan.functionInfo ?? new Uint8Array(0)).slice().buffer);
    const lines = new Uint32Array((plan.lineInfo ?? new Uint8Array(0)).slice().buffer);
    const starts = functions.filter((_, word) => word % 2 === 0);
    const offsets = lines.filter((_, word) => word % 4 === 0);
    expect(starts[0]).toBe(0);
    expect(starts.length).toBeGreaterThan(4);
    for (const start of starts) expect(offsets).toContain(start);
    expect([...offsets]).toEqual([...new Set(offsets)].sort((a, b) => a - b));
    expect(Math.max(...offsets)).toBeLessThan(plan.code.byteLength / 8);
  }
});

describe('on the kernel that runs', () => {
  const kernel = existsSync(vmlinux) ? Btf.parse(readFileSync(vmlinux), { name: 'vmlinux' }) : undefined;
  const offsetOf = (struct: string, member: string): number => {
    const type = kernel?.type(kernel.find(struct, BtfKind.STRUCT) ?? 0);
    const members = type !== undefined && 'members' in type ? type.members : [];
    return (members.find(({ name }) => name === member)?.bitOffset ?? -8) / 8;
  };

  testIf(kernel !== undefined, 'kernel BTF')('execsnoop reads where the kernel has its fields', () => {
    if (kernel === undefined) return;
    const object = parse('execsnoop.bpf');
    const [plan] = plansOf(object, kernel);
    if (plan === undefined) throw new Error('no program');
    const names = [...fieldOffsets(object, plan)].map(([access, offset]) => {
      const [typeId = 0, string = 0] = access.split(':').map(Number);
      const type = object.btf?.type(typeId);
      const index = Number(object.btf?.string(string).split(':')[1]);
      const member = type !== undefined && 'members' in type ? (type.members[index]?.name ?? '') : '';
      return { struct: type?.name ?? '', member, offset };
    });
    expect(names.map(({ struct, member }) => `${struct}.${member}`).sort()).toEqual([
      'cred.uid',
      'linux_binprm.filename',
      'task_struct.comm',
      'task_struct.cred',
      'task_struct.real_parent',
      'task_struct.tgid',
    ]);
    for (const { struct, member, offset } of names) expect(offset).toBe(offsetOf(struct, member));
    expect(plan.attachBtfId).toBe(kernel.find('btf_trace_sched_process_exec', BtfKind.TYPEDEF));
    expect(plan.poisons).toEqual([]);
    expect(plan.sourceLine(9)).toMatch(/^execsnoop\.bpf\.c:\d+: __u32 ppid = BPF_CORE_READ/);
  });

  testIf(kernel !== undefined, 'kernel BTF')('core_missing is poisoned where it reads what is not there', () => {
    if (kernel === undefined) return;
    const [plan] = plansOf(parse('core_missing.bpf'), kernel);
    expect(plan?.poisons).toEqual([
      {
        kind: 'core',
        instruction: 1,
        access: 'task_struct.no_such_member',
        reason: 'the kernel\'s "struct task_struct" has no member "no_such_member"',
      },
    ]);
  });
});

test('objects with any byte changed relocate, or give an error of the family', () => {
  const names = ['execsnoop.bpf', 'core.bpf', 'subprograms.bpf', 'callbacks.bpf', 'externs.bpf', 'kfunc.bpf'];
  const objects = names.map((name) => {
    const bytes = bytesOf(name);
    const object = ObjectSpec.parse(bytes, { name });
    return { bytes, btf: kernelLike(object, () => 64) };
  });
  const change = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), value: fc.nat(255) });
  const input = fc.record({
    which: fc.nat(objects.length - 1),
    changes: fc.array(change, { minLength: 1, maxLength: 4 }),
  });
  fc.assert(
    fc.property(input, ({ which, changes }) => {
      const chosen = objects[which];
      if (chosen === undefined) return;
      const bytes = chosen.bytes.slice();
      for (const { at, value } of changes) bytes[Math.floor(at * bytes.byteLength)] = value;
      try {
        const object = ObjectSpec.parse(bytes, { name: 'changed.bpf.o' });
        needs(object);
        for (const plan of plansOf(object, chosen.btf)) {
          for (let index = 0; index < plan.code.byteLength / 8; index++) plan.sourceLine(index);
        }
      } catch (error) {
        if (!EbpfError.is(error)) throw error;
      }
    }),
    { numRuns: 1_500 },
  );
});

test.each(['execsnoop.bpf', 'subprograms.bpf', 'core.bpf', 'maps.bpf'])(
  "%s: the caller's bytes are not written to",
  (name) => {
    const bytes = bytesOf(name);
    const before = digest(bytes);
    const object = ObjectSpec.parse(bytes, { name });
    plansOf(
      object,
      kernelLike(object, () => 64),
    );
    for (const variable of object.variables.values()) {
      if (typeof variable.value === 'number') variable.value = variable.value === 0 ? 1 : 0;
    }
    expect(object.btfBytes).toBeDefined();
    expect(digest(bytes)).toBe(before);
  },
);
