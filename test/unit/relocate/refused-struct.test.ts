import { Btf, BtfBuilder } from '../../../lib/btf/index.js';
import { refusedStruct } from '../../../lib/relocate/index.js';
import { member } from './fixtures.js';

const builder = new BtfBuilder({ littleEndian: true });
const u32 = builder.addInt('unsigned int', { size: 4 });
const lock = builder.addTypedef('lock_t', builder.addStruct('bpf_spin_lock', 4, [member('val', u32, 0)]));
const resilient = builder.addStruct('bpf_res_spin_lock', 4, [member('val', u32, 0)]);
const list = builder.addStruct('bpf_list_head', 16, []);
const tree = builder.addStruct('bpf_rb_root', 16, []);
const base = builder.encode();

/** What is wrong with a struct of these members, of which those with a tag are of nodes. */
function fault(members: readonly (readonly [name: string, type: number])[], tagged: readonly string[] = []): unknown {
  const each = BtfBuilder.from(Btf.parse(base, { name: 'test' }));
  const id = each.addStruct(
    'queue',
    256,
    members.map(([name, type], index) => member(name, type, index * 128)),
  );
  for (const [index, [name]] of members.entries()) {
    if (tagged.includes(name)) each.addDeclarationTag('contains:node:link', id, index);
  }
  return refusedStruct(Btf.parse(each.encode(), { name: 'test' }));
}

test.each([
  [
    [
      ['a', lock],
      ['b', lock],
    ],
    [],
    'struct "queue" has the locks "a" and "b"; the kernel takes one in a struct',
  ],
  [
    [
      ['a', lock],
      ['b', resilient],
    ],
    [],
    'struct "queue" has the locks "a" and "b"; the kernel takes one in a struct',
  ],
  [
    [['items', list]],
    ['items'],
    'struct "queue" has the list "items" and no lock; the kernel wants a struct bpf_spin_lock beside it',
  ],
  [
    [
      ['a', lock],
      ['items', tree],
    ],
    [],
    'struct "queue" has the tree "items" without a tag that says of what: __contains(node, member)',
  ],
] as const)('%j is refused', (members, tagged, problem) => {
  expect(fault(members, tagged)).toBe(problem);
});

test.each([
  [[['count', u32]], []],
  [
    [
      ['a', lock],
      ['count', u32],
    ],
    [],
  ],
  [
    [
      ['a', resilient],
      ['items', list],
      ['sorted', tree],
    ],
    ['items', 'sorted'],
  ],
] as const)('%j is none of these', (members, tagged) => {
  expect(fault(members, tagged)).toBeUndefined();
});
