import { BtfBuilder, typeName } from '../../../lib/btf/index.js';
import { parse } from './fixtures.js';

const builder = new BtfBuilder({ littleEndian: true });
const char = builder.addInt('char', { size: 1 });
const int = builder.addInt('int', { size: 4 });
const task = builder.addStruct('task_struct', 0, []);
const anonymous = builder.addUnion('', 0, []);
const alias = builder.addTypedef('u32', int);
const constChar = builder.addConst(char);
const text = builder.addPointer(constChar);
const constPointer = builder.addConst(builder.addPointer(char));
const numbers = builder.addArray(int, int, 4);
const matrix = builder.addArray(numbers, int, 2);
const toNumbers = builder.addPointer(numbers);
const callback = builder.addPointer(
  builder.addFunctionPrototype(int, [
    { name: 'context', type: builder.addPointer(0) },
    { name: '', type: 0 },
  ]),
);
const callbacks = builder.addArray(callback, int, 3);
const noParameters = builder.addFunctionPrototype(0, []);
const main = builder.addFunction('main', noParameters, 1);
const variable = builder.addVariable('counts', numbers, 1);
const tagged = builder.addPointer(builder.addTypeTag('user', task));
const forward = builder.addForward('bpf_prog');
const enumeration = builder.addEnum('bpf_cmd', { values: [] });
const volatileAlias = builder.addConst(builder.addVolatile(alias));
const section = builder.addDataSection('.bss', 0, []);
const hostile = builder.addStruct('x'.repeat(2_000), 0, []);
const btf = parse(builder.encode());

test.each([
  [0, 'void'],
  [int, 'int'],
  [task, 'struct task_struct'],
  [anonymous, 'union (anonymous)'],
  [alias, 'u32'],
  [text, 'const char *'],
  [constPointer, 'char *const'],
  [numbers, 'int [4]'],
  [matrix, 'int [2][4]'],
  [toNumbers, 'int (*)[4]'],
  [callback, 'int (*)(void *, ...)'],
  [callbacks, 'int (*[3])(void *, ...)'],
  [noParameters, 'void (void)'],
  [main, 'void main(void)'],
  [variable, 'int counts[4]'],
  [tagged, 'struct task_struct *'],
  [forward, 'struct bpf_prog'],
  [enumeration, 'enum bpf_cmd'],
  [volatileAlias, 'const volatile u32'],
  [section, 'DATASEC .bss'],
  [999, '(no type 999)'],
])('type %i is spelled %j', (id, expected) => {
  expect(typeName(btf, id)).toBe(expected);
});

test('a name of any length is cut', () => {
  expect(typeName(btf, hostile)).toHaveLength(513);
});
