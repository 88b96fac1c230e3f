import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { UsageError } from '../../../lib/errors/index.js';
import { Btf, BtfKind } from '../../../lib/btf/index.js';
import { ObjectSpec } from '../../../lib/object/index.js';
import { ObjectBuilder } from '../../helpers/object-builder.js';

function sample(name: string): ObjectSpec {
  return ObjectSpec.parse(readFileSync(join(__dirname, '../../../bpf-samples', name)), { name });
}

function usageError(action: () => unknown): UsageError {
  try {
    action();
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe.each(['maps.bpf.o', 'maps.bpfeb.o'])('variables of %s', (name) => {
  test('have the values that the source gives them', () => {
    const spec = sample(name);
    const values = Object.fromEntries(Array.from(spec.variables, ([key, variable]) => [key, variable.value]));
    expect(values).toMatchObject({
      flag: true,
      greeting: 'hello',
      octets: Uint8Array.of(1, 2, 3, 4),
      constant_s16: -16,
      constant_u64: 0x1122334455667788n,
      data_s8: -8,
      data_u32: 4_000_000_000,
      data_s64: -6_400_000_000n,
      data_u64: 0xfedcba9876543210n,
      data_float: 1.5,
      data_double: -2.25,
      data_text: 'text',
      data_colour: -3,
      data_point: { x: 3, y: -4 },
      data_matrix: [
        [1, 2, 3],
        [4, 5, 6],
      ],
      touched: 0n,
      custom_value: 77,
      custom_constant: 78,
    });
  });

  test('know where they lie', () => {
    const spec = sample(name);
    expect(spec.variable('constant_u64')).toMatchObject({
      section: '.rodata',
      map: '.rodata',
      size: 8,
      constant: true,
    });
    expect(spec.variable('data_u8')).toMatchObject({ section: '.data', offset: 1, size: 1, constant: false });
    expect(spec.variable('custom_value')).toMatchObject({ map: '.data.custom', offset: 0, constant: false });
  });

  test('can be set, the rest of the section unchanged', () => {
    const spec = sample(name);
    const before = spec.map('.data').initialValue?.slice();
    spec.variable('data_s64').value = -1;
    spec.variable('data_point').value = { x: -7, y: 8 };
    expect(spec.variable('data_s64').value).toBe(-1n);
    expect(spec.variable('data_point').value).toEqual({ x: -7, y: 8 });
    const { offset, size } = spec.variable('data_s64');
    const after = spec.map('.data').initialValue;
    expect([...(after?.subarray(offset, offset + size) ?? [])]).toEqual(Array(8).fill(0xff));
    spec.variable('data_s64').value = -6_400_000_000n;
    spec.variable('data_point').value = { x: 3, y: -4 };
    expect(spec.map('.data').initialValue).toEqual(before);
  });

  test('in .bss give their map contents once set', () => {
    const spec = sample(name);
    const map = spec.map('.bss');
    expect(map.initialValue).toBeUndefined();
    spec.variable('bss_text').value = 'abc';
    expect(map.initialValue?.byteLength).toBe(map.valueSize);
    expect(spec.variable('bss_text').value).toBe('abc');
    expect(spec.variable('touched').value).toBe(0n);
  });

  test('that do not fit are refused with their path and change nothing', () => {
    const spec = sample(name);
    const map = spec.map('.data');
    const before = map.initialValue;
    const error = usageError(() => (spec.variable('data_point').value = { x: 1, y: 2 ** 40 }));
    expect(error).toMatchObject({ code: 'ERR_EBPF_INVALID_VALUE', path: 'data_point.y' });
    expect(map.initialValue).toBe(before);
    expect(spec.variable('data_point').value).toEqual({ x: 3, y: -4 });
  });
});

test('setting a variable never writes into the file', () => {
  const bytes = readFileSync(join(__dirname, '../../../bpf-samples/maps.bpf.o'));
  const copy = Buffer.from(bytes);
  const spec = ObjectSpec.parse(bytes);
  spec.variable('data_u8').value = 1;
  spec.variable('data_u8').value = 2;
  spec.variable('constant_s16').value = 5;
  expect(bytes.equals(copy)).toBe(true);
});

test('an unknown name is answered with the nearest ones', () => {
  const spec = sample('execsnoop.bpf.o');
  expect(usageError(() => spec.variable('target_pid'))).toMatchObject({
    code: 'ERR_EBPF_NOT_FOUND',
    suggestions: ['target_ppid', 'target_uid'],
    message: 'no variable of execsnoop.bpf.o is named "target_pid"; did you mean "target_ppid" or "target_uid"?',
  });
  expect(usageError(() => spec.map('event')).message).toBe(
    'no map of execsnoop.bpf.o is named "event"; did you mean "events"?',
  );
  expect(usageError(() => spec.program('execs')).suggestions).toEqual(['exec']);
});

test('a variable beyond a map that was made smaller says so', () => {
  const spec = sample('maps.bpf.o');
  spec.map('.data').valueSize = 8;
  expect(usageError(() => spec.variable('data_u64').value).message).toContain('it lies beyond the 8 bytes');
  expect(usageError(() => (spec.variable('data_u64').value = 1n)).path).toBe('data_u64');
});

test('contents given as bytes are read by variables and never written', () => {
  const spec = sample('maps.bpf.o');
  const map = spec.map('.data.custom');
  const given = Uint8Array.of(1, 0, 0, 0);
  map.initialValue = given;
  expect(spec.variable('custom_value').value).toBe(1);
  spec.variable('custom_value').value = 2;
  expect([...given]).toEqual([1, 0, 0, 0]);
  expect(spec.map('.data.custom').initialValue).toEqual(Uint8Array.of(2, 0, 0, 0));
  expect(usageError(() => (map.initialValue = new Uint8Array(5))).message).toBe(
    'maps[".data.custom"].initialValue: 5 bytes, where valueSize is 4',
  );
});

test('static variables are found, global names come first', () => {
  const builder = new ObjectBuilder();
  const { u32 } = builder;
  builder.variables(
    '.data',
    [
      { name: 'count', type: u32, size: 4, static: true },
      { name: 'count', type: u32, size: 4, static: true },
    ],
    Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0),
  );
  builder.variables('.bss', [{ name: 'count', type: u32, size: 4 }]);
  const spec = ObjectSpec.parse(builder.encode());
  expect(Array.from(spec.variables, ([key, { name, value, map }]) => [key, name, value, map])).toEqual([
    ['count', 'count', 0, '.bss'],
    ['count (.data+0x0)', 'count (.data+0x0)', 1, '.data'],
    ['count (.data+0x4)', 'count (.data+0x4)', 2, '.data'],
  ]);
});

describe('the BTF for the kernel', () => {
  test('has the sizes and offsets that clang left out, in order', () => {
    const spec = sample('maps.bpf.o');
    const bytes = spec.btfBytes;
    if (bytes === undefined || spec.btf === undefined) throw new Error('the sample has no BTF');
    expect(bytes.byteLength).toBe(spec.btf.bytes.byteLength);
    expect(spec.btfBytes).toBe(bytes);
    const btf = Btf.parse(bytes, { name: 'completed' });
    for (const map of spec.maps.values()) {
      if (map.kind !== 'data' || map.valueType === 0) continue;
      const section = btf.type(map.valueType);
      if (section.kind !== BtfKind.DATASEC) throw new Error(`${map.name} has no DATASEC`);
      expect([section.name, section.size]).toEqual([map.name, map.valueSize]);
      const offsets = section.entries.map((entry) => entry.offset);
      expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
      for (const entry of section.entries) {
        expect(entry.offset).toBe(spec.variable(btf.nameOf(entry.type)).offset);
      }
    }
  });

  test('makes hidden variables static', () => {
    const builder = new ObjectBuilder();
    const visibility = 2;
    builder.variables('.data', [{ name: 'hidden', type: builder.u32, size: 4, visibility }], new Uint8Array(4));
    const { btfBytes } = ObjectSpec.parse(builder.encode());
    const btf = Btf.parse(btfBytes ?? new Uint8Array(0), { name: 'completed' });
    expect(btf.type(btf.find('hidden', BtfKind.VAR) ?? 0)).toMatchObject({ linkage: 0 });
  });
});

test('a global variable without a symbol is refused', () => {
  const builder = new ObjectBuilder();
  builder.elf.data('.data', new Uint8Array(4));
  const variable = builder.btf.addVariable('lost', builder.u32, 1);
  builder.btf.addDataSection('.data', 0, [{ type: variable, offset: 0, size: 4 }]);
  expect(() => ObjectSpec.parse(builder.encode(), { name: 'x' })).toThrow(
    'x, section .data: variable "lost" of the BTF has no symbol in this section',
  );
});

test('two DATASECs of one section are refused', () => {
  const builder = new ObjectBuilder();
  builder.variables('.data', [], new Uint8Array(4));
  builder.btf.addDataSection('.data', 0, []);
  expect(() => ObjectSpec.parse(builder.encode())).toThrow('section .BTF: two DATASECs describe section ".data"');
});

test('externs know where they are declared', () => {
  const builder = new ObjectBuilder();
  const { btf, elf } = builder;
  const version = btf.addVariable('LINUX_KERNEL_VERSION', builder.u32, 2);
  const prototype = btf.addFunctionPrototype(builder.int, []);
  const kernelFunction = btf.addFunction('bpf_kfunc', prototype, 2);
  const libraryFunction = btf.addFunction('memset', prototype, 2);
  btf.addDataSection('.kconfig', 0, [{ type: version, offset: 0, size: 4 }]);
  btf.addDataSection('.ksyms', 0, [{ type: kernelFunction, offset: 0, size: 0 }]);
  elf.symbol({ name: 'LINUX_KERNEL_VERSION', binding: 1 });
  elf.symbol({ name: 'bpf_kfunc', binding: 2 });
  elf.symbol({ name: 'memset', binding: 1 });
  expect([...ObjectSpec.parse(builder.encode()).externs.values()]).toEqual([
    { name: 'LINUX_KERNEL_VERSION', section: '.kconfig', weak: false, typeId: version },
    { name: 'bpf_kfunc', section: '.ksyms', weak: true, typeId: kernelFunction },
    { name: 'memset', section: undefined, weak: false, typeId: libraryFunction },
  ]);
});
