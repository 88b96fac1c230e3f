// The objects that are loaded: C made from the types of this kernel, compiled with clang. Programs read members of kernel
// structs by CO-RE through bpf_probe_read_kernel, so that the verifier has little to say and the loader most of the work.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Btf, BtfKind } from '../../dist/index.js';
import { SetupError } from '../../scripts/setup.mjs';

const membersPerStruct = 5;

/** Names for the case that only resolves: structs that every kernel has. */
export const names = [
  ...['task_struct', 'mm_struct', 'file', 'inode', 'dentry', 'super_block', 'sock', 'sk_buff', 'net_device', 'cred'],
  ...['pid', 'nsproxy', 'cgroup', 'css_set', 'bio', 'request', 'vm_area_struct', 'kernfs_node', 'signal_struct', 'rq'],
];

/** name → { programs, structs, accesses per program } */
const shapes = {
  small: { programs: 1, structs: 4, accesses: 10 },
  broad: { programs: 1, structs: 40, accesses: 200 },
  large: { programs: 200, structs: 40, accesses: 200 },
};

/** Compiles what is missing; returns the paths by name. */
export function makeObjects(folder) {
  const clang = ['clang-19', 'clang'].find((name) => spawnSync(name, ['--version']).status === 0);
  if (clang === undefined) throw new SetupError('the objects are compiled with clang: sudo apt-get install clang-19');
  fs.mkdirSync(folder, { recursive: true });
  const btf = Btf.parse(fs.readFileSync('/sys/kernel/btf/vmlinux'), { name: 'vmlinux' });
  const structs = pickStructs(btf, Math.max(...Object.values(shapes).map((shape) => shape.structs)));
  const paths = {};
  for (const [name, shape] of Object.entries(shapes)) {
    const source = path.join(folder, `${name}.bpf.c`);
    const object = path.join(folder, `${name}.bpf.o`);
    fs.writeFileSync(source, program(structs.slice(0, shape.structs), shape));
    const { status, stderr } = spawnSync(
      clang,
      ['--target=bpf', '-mcpu=v3', '-O2', '-g', '-Wall', '-c', source, '-o', object],
      { encoding: 'utf8' },
    );
    if (status !== 0) throw new SetupError(`compiling ${source} failed\n${stderr}`);
    paths[name] = object;
  }
  return paths;
}

/** Named structs of this kernel, the well-known first, each with some members that are plain integers or pointers. */
function pickStructs(btf, count) {
  const picked = [];
  const consider = (id) => {
    const type = btf.type(id);
    if (type.kind !== BtfKind.STRUCT || type.name === '' || picked.some(({ name }) => name === type.name)) return;
    // A name twice would need a choice that is not the loader's speed.
    if ([...btf.findAll(type.name, BtfKind.STRUCT)].length !== 1) return;
    const members = type.members.flatMap((member) => {
      const declared = declarationOf(btf, member);
      return declared === undefined ? [] : [{ name: member.name, declared }];
    });
    if (members.length >= membersPerStruct)
      picked.push({ name: type.name, members: members.slice(0, membersPerStruct) });
  };
  for (const name of names) {
    const id = btf.find(name, BtfKind.STRUCT);
    if (id !== undefined) consider(id);
  }
  for (let id = btf.startId; id < btf.endId && picked.length < count; id += 97) consider(id);
  return picked.slice(0, count);
}

/** C for a member that is a pointer or an integer of 8 bytes. */
function declarationOf(btf, { name, type, bitSize = 0 }) {
  if (!/^[a-z_][a-z0-9_]*$/u.test(name) || bitSize !== 0) return undefined;
  const { kind, size } = btf.type(btf.skipModifiers(type));
  if (kind === BtfKind.PTR) return `void *${name};`;
  return kind === BtfKind.INT && size === 8 ? `__u64 ${name};` : undefined;
}

function program(structs, { programs, accesses }) {
  const lines = [
    '/* made by bench/load/objects.mjs */',
    'typedef unsigned int __u32; typedef unsigned long long __u64;',
    '#define SEC(name) __attribute__((section(name), used))',
    '#define CORE __attribute__((preserve_access_index))',
    // One relocation for each access: clang would compute an address once and keep it.
    '#define KEEP(pointer) asm volatile("" : "+r"(pointer) : : "memory")',
    'static long (*const probe_read_kernel)(void *, __u32, const void *) = (void *)113;',
    'static __u64 (*const get_current_task)(void) = (void *)35;',
    '__u64 sum = 0;',
    ...structs.map(
      ({ name, members }) => `struct ${name} { ${members.map(({ declared }) => declared).join(' ')} } CORE;`,
    ),
  ];
  for (let index = 0; index < programs; index++) {
    lines.push(`SEC("raw_tp/sched_process_exec") int program_${index}(void *context)\n{`);
    lines.push('\tvoid *task = (void *)get_current_task(), *at;\n\t__u64 value = 0, total = 0;');
    for (let access = 0; access < accesses; access++) {
      const { name, members } = structs[access % structs.length];
      const member = members[Math.floor(access / structs.length) % members.length];
      lines.push(
        `\tat = task; KEEP(at); probe_read_kernel(&value, 8, &((struct ${name} *)at)->${member.name}); total += value; KEEP(total);`,
      );
    }
    lines.push('\tsum += total;\n\treturn 0;\n}');
  }
  lines.push('char LICENSE[] SEC("license") = "GPL";', '');
  return lines.join('\n');
}
