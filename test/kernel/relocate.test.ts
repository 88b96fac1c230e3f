// What relocated programs find in the kernel that runs, against what its BTF says when asked another way.
import { readFileSync } from 'node:fs';

import { Btf, BtfBuilder, BtfKind, type BtfComposite, type BtfMember } from '../../lib/btf/index.js';
import { ArrayMap, Ebpf, ObjectSpec } from '../../lib/index.js';
import { hasCallbacks } from '../helpers/kernel-symbols.js';
import { hasKernelBtf } from '../helpers/kernel-types.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const vmlinux = '/sys/kernel/btf/vmlinux';

/** A member and where it is from the start of the struct, found through anonymous members. */
function find(btf: Btf, typeId: number, name: string): { member: BtfMember; bits: number } | undefined {
  const type = btf.type(btf.skipModifiers(typeId));
  if (!('members' in type)) return undefined;
  for (const member of type.members) {
    if (member.name === name) return { member, bits: member.bitOffset };
    const inner = member.name === '' ? find(btf, member.type, name) : undefined;
    if (inner !== undefined) return { member: inner.member, bits: member.bitOffset + inner.bits };
  }
  return undefined;
}

testIf(hasKernelBtf, 'kernel BTF')('core reports what this kernel’s BTF says of each kind of relocation', async () => {
  const btf = Btf.parse(new Uint8Array(readFileSync(vmlinux)), { name: 'vmlinux' });
  const spec = ObjectSpec.parse(new Uint8Array(readFileSync(sample('core'))), { name: 'core.bpf.o' });
  const task = btf.find('task_struct', BtfKind.STRUCT) ?? 0;
  const place = (struct: number, name: string): { member: BtfMember; bits: number } => {
    const found = find(btf, struct, name);
    if (found === undefined) throw new Error(`this kernel has no ${name}`);
    return found;
  };
  const byteOffset = (struct: number, name: string): bigint => BigInt(place(struct, name).bits / 8);
  const uid = place(btf.find('cred', BtfKind.STRUCT) ?? 0, 'uid');
  const enumeration = btf.type(btf.find('pid_type', BtfKind.ENUM) ?? 0);
  const values = 'values' in enumeration ? enumeration.values : [];
  const enumerator = (name: string): bigint => BigInt(values.find((value) => value.name === name)?.value ?? -1);
  const flag = place(task, 'in_execve');

  const ebpf = await Ebpf.load(sample('core'));
  try {
    await ebpf.program('report').testRun({ context: new Uint8Array(8) });
    const report = ebpf.map('results', ArrayMap).get(0) as Record<string, unknown>;
    expect(report).toMatchObject({
      pid: expect.any(Number),
      tgid: process.pid,
      parent_tgid: process.ppid,
      uid: process.getuid?.(),
      in_execve: 0,
      reset_on_fork: 0,
      state_bytes: find(btf, task, '__state') === undefined ? 8 : 4,
      byte_offset: byteOffset(task, 'real_parent'),
      nested_offset: BigInt(uid.bits / 8) + byteOffset(uid.member.type, 'val'),
      element_offset: byteOffset(task, 'comm') + 3n,
      byte_size: 16n,
      exists: 1n,
      exists_not: 0n,
      signed_yes: 1n,
      signed_no: 0n,
      right_shift: 64n - BigInt(flag.member.bitSize),
      bit_field_size: 4n,
      bit_field_offset: BigInt(Math.floor(flag.bits / 32) * 4),
      // To the top of 64 bits: the word is their low half, and its first bit is the lowest or, big-endian, the highest.
      left_shift: btf.littleEndian
        ? 64n - BigInt((flag.bits % 32) + flag.member.bitSize)
        : 32n + BigInt(flag.bits % 32),
      type_id_local: BigInt(spec.btf?.find('task_struct') ?? -1),
      type_id_target: BigInt(task),
      type_exists: 1n,
      type_exists_not: 0n,
      typedef_exists: 1n,
      typedef_exists_not: 0n,
      type_size: BigInt(btf.sizeOf(task)),
      type_size_missing: 0n,
      type_matches: 1n,
      type_matches_not: 0n,
      enum_exists: 1n,
      enum_exists_not: 0n,
      enum_value: enumerator('PIDTYPE_SID'),
      enum_first_value: enumerator('PIDTYPE_PID'),
    });
  } finally {
    await ebpf.close();
  }
});

test('core reports what BTF given in place of the kernel’s says', async () => {
  // The object's own types, as those of a kernel in which most members of task_struct lie further on.
  const further = 512;
  const { btf } = ObjectSpec.parse(readFileSync(sample('core')), { name: 'core' });
  if (btf === undefined) throw new Error('the sample has no BTF');
  const structure = (name: string): BtfComposite => {
    const type = btf.type(btf.find(name, BtfKind.STRUCT) ?? 0);
    if (type.kind !== BtfKind.STRUCT) throw new Error(`the sample has no struct ${name}`);
    return type;
  };
  const task = structure('task_struct');
  const moved = task.members.map((member) => ({ ...member, bitOffset: member.bitOffset + further * 8 }));
  const builder = new BtfBuilder({ littleEndian: btf.littleEndian });
  for (let id = btf.startId; id < btf.endId; id++) {
    const type = btf.type(id);
    if (type.kind !== BtfKind.STRUCT) {
      builder.add(type);
    } else if (type.name === 'task_struct') {
      const members = [...structure('task_struct___new').members, ...moved];
      builder.add({ ...type, size: type.size + further, members });
    } else {
      // A kernel has one type of a name, the object its flavours.
      builder.add({ ...type, name: type.name.replace('___', '_') });
    }
  }
  const offset = (name: string): bigint => BigInt((moved.find((member) => member.name === name)?.bitOffset ?? 0) / 8);
  const ebpf = await Ebpf.load(sample('core'), { kernelBtf: builder.encode() });
  try {
    await ebpf.program('report').testRun({ context: new Uint8Array(8) });
    expect(ebpf.map('results', ArrayMap).get(0)).toMatchObject({
      byte_offset: offset('real_parent'),
      element_offset: offset('comm') + 3n,
      type_size: BigInt(task.size + further),
      enum_first_value: 100n,
    });
  } finally {
    await ebpf.close();
  }
});

testIf(hasKernelBtf, 'kernel BTF')(
  'an access that no kernel has is explained when the program gets to it',
  async () => {
    const missing = 'task_struct.no_such_member: the kernel\'s "struct task_struct" has no member "no_such_member"';
    await expect(Ebpf.load(sample('core_missing'))).rejects.toMatchObject({
      code: 'ERR_EBPF_VERIFIER',
      message: expect.stringContaining(missing),
      line: expect.stringMatching(/^core_missing\.bpf\.c:\d+: /),
    });
  },
);

test('functions called across sections, weak and hidden ones included, are verified and run', async () => {
  const ebpf = await Ebpf.load(sample('subprograms'));
  try {
    await ebpf.program('first').testRun({ context: new Uint8Array(8) });
    expect(ebpf.variable('first_result').value).toBe(10n + 41n + 3n);
    await ebpf.program('second').testRun({ context: new Uint8Array(8) });
    expect(ebpf.variable('second_result').value).toBe(201n + 5n + 6n);
  } finally {
    await ebpf.close();
  }
});

testIf(hasCallbacks, 'callbacks of helpers')('functions that helpers call back are verified and run', async () => {
  const ebpf = await Ebpf.load(sample('callbacks'));
  try {
    await ebpf.program('loop').testRun({ context: new Uint8Array(8) });
    // Ten calls, each adding twice its index.
    expect(ebpf.variable('loop_result').value).toBe(90n * 100n + 10n);
    await ebpf.program('each').testRun({ context: new Uint8Array(8) });
    // Four elements, all zero.
    expect(ebpf.variable('each_result').value).toBe(4n);
    expect(ebpf.variable('runs').value).toBe(14n);
  } finally {
    await ebpf.close();
  }
});
