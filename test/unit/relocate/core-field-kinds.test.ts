import type { BtfBuilder } from '../../../lib/btf/index.js';
import { CoreRelocationKind as Kind } from '../../../lib/relocate/core/core-relocation-kind.js';
import { type BasicTypes, member, TwoSides } from './fixtures.js';

type MakeType = (builder: BtfBuilder, types: BasicTypes) => number;

const states = (name: string): MakeType => {
  return (builder) => builder.addEnum(name, { values: [{ name: 'RUNNING', value: 0 }] });
};
const states64 = (name: string): MakeType => {
  return (builder) => builder.addEnum64(name, { values: [{ name: 'RUNNING', value: 0n }] });
};
const float = (size: number): MakeType => {
  return (builder) => builder.addFloat('float', size);
};
const arrayOf = (element: MakeType, length: number): MakeType => {
  return (builder, types) => builder.addArray(element(builder, types), types.u32, length);
};
const int: MakeType = (_, types) => types.int;
const long: MakeType = (_, types) => types.long;
const pointer: MakeType = (_, types) => types.pointer;
const constant: MakeType = (builder, types) => builder.addConst(types.int);
const union: MakeType = (builder, types) => builder.addUnion('u', 4, [member('a', types.int, 0)]);
const struct: MakeType = (builder, types) => builder.addStruct('s', 8, [member('b', types.long, 0)]);

/** Whether the program finds its field in a kernel that has it of that type: `bpf_core_fields_are_compat` of libbpf's relo_core.c. */
test.each<[string, string, MakeType, MakeType, boolean]>([
  ['an int', 'a long', int, long, true],
  ['an int', 'a const int', int, constant, true],
  ['an int', 'a pointer', int, pointer, false],
  ['an int', 'an enum', int, states('state'), false],
  ['a struct', 'a union', struct, union, true],
  ['a struct', 'an int', struct, int, false],
  ['a pointer', 'a pointer', pointer, pointer, true],
  ['a float', 'a double', float(4), float(8), true],
  ['a float', 'an int', float(4), int, false],
  ['an enum', 'an enum of its name', states('state'), states('state'), true],
  ['an enum', 'an enum without the flavour', states('state___old'), states('state'), true],
  ['an enum', 'an enum of another name', states('state'), states('mode'), false],
  ['an enum', 'one without a name', states('state'), states(''), true],
  ['an enum without a name', 'one with a name', states(''), states('state'), true],
  ['an enum', 'an enum of 64 bits', states('state'), states64('state'), true],
  ['an enum of 64 bits', 'one of another name', states64('state'), states64('mode'), false],
  ['an array of ints', 'a longer one of longs', arrayOf(int, 4), arrayOf(long, 8), true],
  ['an array of ints', 'one of pointers', arrayOf(int, 4), arrayOf(pointer, 4), false],
  ['an array of ints', 'an int', arrayOf(int, 4), int, false],
])('%s, where the kernel has %s', (_, __, ours, theirs, fits) => {
  const holder = (make: MakeType) => (builder: BtfBuilder, types: BasicTypes) => {
    builder.addStruct('holder', 64, [member('field', make(builder, types), 0)]);
  };
  const answer = new TwoSides(holder(ours), holder(theirs)).ask(Kind.FIELD_EXISTS, 'holder', '0:0');
  expect(answer.value).toBe(fits ? 1n : 0n);
});
