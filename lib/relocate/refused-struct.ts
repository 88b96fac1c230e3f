import { type Btf, BtfKind } from '../btf/index.js';
import { quote } from '../errors/index.js';

type Members = readonly { readonly name: string; readonly type: number }[];

const locks: ReadonlySet<string> = new Set(['bpf_spin_lock', 'bpf_res_spin_lock']);
const roots: ReadonlySet<string> = new Set(['bpf_list_head', 'bpf_rb_root']);

/**
 * Why a kernel from 6.2 on refuses the types, as far as that is a struct with what it keeps to itself (`btf_parse_struct_metas` of
 * kernel/bpf/btf.c), of which it says no more than EINVAL or E2BIG; undefined where it is something else.
 */
export function refusedStruct(btf: Btf): string | undefined {
  const tagged = containers(btf);
  for (let id = btf.startId; id < btf.endId; id++) {
    const type = btf.kind(id) === BtfKind.STRUCT ? btf.type(id) : undefined;
    if (type?.kind !== BtfKind.STRUCT) continue;
    const problem = problemOf(btf, type.members, (index) => tagged.has(`${id}:${index}`));
    if (problem !== undefined) return `struct ${quote(type.name)} has ${problem}`;
  }
  return undefined;
}

function problemOf(btf: Btf, members: Members, isTagged: (index: number) => boolean): string | undefined {
  const held = members.filter(({ type }) => locks.has(structName(btf, type)));
  if (held.length > 1) {
    const names = held.map(({ name }) => quote(name));
    return `the locks ${names.join(' and ')}; the kernel takes one in a struct`;
  }
  for (const [index, { name, type }] of members.entries()) {
    const kind = structName(btf, type);
    if (!roots.has(kind)) continue;
    const member = `the ${kind === 'bpf_list_head' ? 'list' : 'tree'} ${quote(name)}`;
    if (held.length === 0) return `${member} and no lock; the kernel wants a struct bpf_spin_lock beside it`;
    if (!isTagged(index)) return `${member} without a tag that says of what: __contains(node, member)`;
  }
  return undefined;
}

function structName(btf: Btf, id: number): string {
  const type = btf.type(btf.skipModifiers(id));
  return type.kind === BtfKind.STRUCT ? type.name : '';
}

/** The members with a tag `contains:…`. */
function containers(btf: Btf): ReadonlySet<string> {
  const found = new Set<string>();
  for (let id = btf.startId; id < btf.endId; id++) {
    if (btf.kind(id) !== BtfKind.DECL_TAG) continue;
    const tag = btf.type(id);
    if (tag.kind === BtfKind.DECL_TAG && tag.name.startsWith('contains:'))
      found.add(`${tag.type}:${tag.componentIndex}`);
  }
  return found;
}
