// Global variables by name: `ebpf.variables`.
import { readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { inspect, types } from 'node:util';

import { ArrayMap, Ebpf, MapFlag, ObjectSpec, UsageError, type UsageErrorCode } from '../../lib/index.js';
import { rawArguments, sample } from '../helpers/samples.js';

function usageError(code: UsageErrorCode, message: string): Error {
  return expect.objectContaining({ name: 'UsageError', code, message }) as Error;
}

async function touch(ebpf: Ebpf): Promise<void> {
  await ebpf.program('touch').testRun({ context: rawArguments(0) });
}

describe('the variables of an object', () => {
  let ebpf: Ebpf;
  beforeEach(async () => {
    ebpf = await Ebpf.load(sample('maps'));
  });
  afterEach(async () => {
    await ebpf.close();
  });

  test('are the values by name, in the object’s order, the same object each time', () => {
    const { variables } = ebpf;
    expect(ebpf.variables).toBe(variables);
    expect(Object.keys(variables)).toEqual([...ebpf.spec.variables.keys()]);
    for (const [name, value] of Object.entries(variables)) {
      expect([name, value]).toEqual([name, ebpf.spec.variable(name).value]);
      expect(variables[name]).toEqual(ebpf.variable(name).value);
    }
    expect({ ...variables }).toMatchObject({ data_s8: -8, data_u64: 0xfedc_ba98_7654_3210n, data_float: 1.5 });
    expect({ ...variables }).toMatchObject({
      data_double: -2.25,
      data_bool: true,
      data_colour: -3,
      custom_constant: 78,
    });
  });

  test('are a sealed object of accessors without a prototype', () => {
    const { variables } = ebpf;
    expect(Object.getPrototypeOf(variables)).toBeNull();
    expect(Object.isSealed(variables)).toBe(true);
    const property = Object.getOwnPropertyDescriptor(variables, 'data_u32');
    expect(property).toMatchObject({ enumerable: true, configurable: false });
    expect(property?.get?.()).toBe(4_000_000_000);
    property?.set?.(12);
    expect(variables['data_u32']).toBe(12);
    expect(() => delete variables['data_u32']).toThrow(TypeError);
    expect(() => Object.defineProperty(variables, 'more', { value: 1 })).toThrow(TypeError);
    expect('data_u32' in variables).toBe(true);
    expect('constructor' in variables).toBe(false);
  });

  test('unknown names are refused on reading and on writing, with the nearest', () => {
    const { variables } = ebpf;
    const refusal = usageError(
      'ERR_EBPF_NOT_FOUND',
      'no variable of "maps.bpf.o" is named "data_u46"; did you mean "data_u16" or "data_u64" or "data_s16"?',
    );
    expect(() => variables['data_u46']).toThrow(refusal);
    expect(() => {
      variables['data_u46'] = 1n;
    }).toThrow(refusal);
    for (const name of ['constructor', 'toString', '__proto__', '']) {
      expect(() => variables[name]).toThrow(UsageError);
      expect(() => {
        variables[name] = 1;
      }).toThrow(UsageError);
    }
    expect(Object.keys(variables)).not.toContain('data_u46');
  });

  test('numbers change with the program, and the program with them', async () => {
    const { variables } = ebpf;
    variables['data_u64'] = 7;
    variables['data_s32'] = -5;
    await touch(ebpf);
    expect({ ...variables }).toMatchObject({ data_u64: 8n, data_s32: -4, touched: 1n });
    variables['data_float'] = 0.5;
    variables['data_bool'] = false;
    variables['data_huge'] = 2n ** 64n - 1n;
    variables['data_colour'] = 5;
    expect({ ...variables }).toMatchObject({
      data_float: 0.5,
      data_bool: false,
      data_huge: 2n ** 64n - 1n,
      data_colour: 5,
    });
  });

  test('structs and arrays come back frozen, all of them, and are assigned whole', async () => {
    const { variables } = ebpf;
    const point = variables['data_point'] as { x: number };
    expect(() => (point.x = 1)).toThrow(TypeError);
    expect(() => ((variables['data_matrix'] as number[][])[1] = [])).toThrow(TypeError);
    const inner = (variables['data_mixed'] as { corners: { x: number }[] }).corners[0];
    expect(inner).toEqual({ x: 1, y: 2 });
    expect(Object.isFrozen(inner)).toBe(true);
    variables['data_point'] = { x: 10, y: 20 };
    await touch(ebpf);
    expect(ebpf.map('points', ArrayMap).get(0)).toEqual({ x: 10, y: 20 });
    expect(point).toEqual({ x: 3, y: -4 });
    // Bytes cannot be frozen: they are a copy.
    (variables['octets'] as Uint8Array).fill(9);
    expect(variables['octets']).toEqual(Uint8Array.of(1, 2, 3, 4));
  });

  test('what does not fit is refused with its path, and nothing is written', () => {
    const { variables } = ebpf;
    const refusal = (message: string): Error => usageError('ERR_EBPF_INVALID_VALUE', message);
    expect(() => (variables['data_point'] = { x: 1, y: 2 ** 40 })).toThrow(
      refusal('variable data_point.y: expected an integer from -2147483648 to 2147483647 (__s32), got 1099511627776'),
    );
    expect(() => (variables['data_u8'] = 256)).toThrow('variable data_u8: expected an integer from 0 to 255');
    expect(() => (variables['data_u64'] = 2 ** 60)).toThrow('variable data_u64: expected a bigint');
    expect(() => (variables['data_bool'] = 1)).toThrow('variable data_bool: expected true or false');
    for (const wrong of [null, undefined, 1.5, '1', {}, NaN]) {
      expect(() => (variables['data_s16'] = wrong)).toThrow(UsageError);
    }
    expect({ ...variables }).toMatchObject({
      data_point: { x: 3, y: -4 },
      data_u8: 200,
      data_bool: true,
      data_s16: -1600,
    });
    expect(variables['data_u64']).toBe(0xfedc_ba98_7654_3210n);
  });

  test('constants are set before the load and refused afterwards', async () => {
    const { variables } = ebpf;
    expect(() => (variables['constant_s16'] = 1)).toThrow(
      usageError(
        'ERR_EBPF_INVALID_VALUE',
        'variable "constant_s16": it is constant once the object is loaded; ' +
          "set it before, with Ebpf.load's option variables",
      ),
    );
    expect(variables['constant_s16']).toBe(-16);
    await using other = await Ebpf.load(sample('maps'), { variables: { constant_s16: 16, custom_constant: 8 } });
    expect({ ...other.variables }).toMatchObject({ constant_s16: 16, custom_constant: 8, custom_value: 77 });
    other.variables['custom_value'] = 5;
    expect([other.variables['custom_value'], variables['custom_value']]).toEqual([5, 77]);
  });

  test('can be printed, awaited and made JSON', async () => {
    const { variables } = ebpf;
    expect(await Promise.resolve(variables)).toBe(variables);
    expect(JSON.parse(JSON.stringify({ ...variables }, ['data_u8', 'bss_text']))).toEqual({
      data_u8: 200,
      bss_text: '',
    });
    expect(() => JSON.stringify(variables, ['data_u8'])).not.toThrow();
    expect(inspect(variables)).toContain('data_u8: 200,');
    expect(inspect(variables)).toContain('data_point: { x: 3, y: -4 }');
    expect(types.isProxy(ebpf.variable('data_u8'))).toBe(false);
    await ebpf.close();
    expect(() => variables['data_u8']).toThrow(usageError('ERR_EBPF_CLOSED', 'map ".data" is closed'));
    expect(() => (variables['data_u8'] = 1)).toThrow(usageError('ERR_EBPF_CLOSED', 'map ".data" is closed'));
    expect(inspect(variables)).toContain('is closed');
  });
});

test('sections that cannot be mapped are read and written as a whole', async () => {
  const spec = ObjectSpec.parse(new Uint8Array(readFileSync(sample('maps'))), { name: 'maps' });
  for (const map of spec.maps.values()) if (map.kind === 'data') map.flags &= ~MapFlag.MMAPABLE;
  await using ebpf = await Ebpf.load(spec);
  expect(ebpf.map('.data').flags).toBe(0);
  const { variables } = ebpf;
  variables['data_u64'] = 41n;
  variables['data_point'] = { x: 1, y: 2 };
  await touch(ebpf);
  expect({ ...variables }).toMatchObject({ data_u64: 42n, data_point: { x: 1, y: 2 }, touched: 1n, constant_s16: -16 });
});

test('no number is ever seen half written, by either side', async () => {
  await using ebpf = await Ebpf.load(sample('shared_memory'));
  const { variables } = ebpf;
  const ends: unknown[] = [0, 255, 65_535, 2 ** 32 - 1, 0n, 2n ** 64n - 1n];
  const run = { data: new Uint8Array(64), repeat: 20_000 };
  const state = { running: true };
  const runs = ebpf
    .program('flip')
    .testRun(run)
    .finally(() => {
      state.running = false;
    });
  const seen = new Set<unknown>();
  let theirs = 0n;
  for (let round = 0; state.running || round < 100; round++) {
    for (const name of ['wide', 'middle', 'narrow', 'least']) seen.add(variables[name]);
    for (const number of Object.values(variables['words'] as object)) seen.add(number);
    variables['theirs'] = theirs = BigInt.asUintN(64, ~theirs);
    if (round % 1000 === 0) await nextTurn();
  }
  await runs;
  expect([...seen].filter((value) => !ends.includes(value))).toEqual([]);
  expect({ ...variables }).toMatchObject({ torn: 0n, runs: 20_000 });
});
