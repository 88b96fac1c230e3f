import { inspect } from 'node:util';

import {
  ArrayMap,
  BpfMap,
  Ebpf,
  HashMap,
  MapType,
  MapUpdateFlag,
  RingBuffer,
  array,
  bytes,
  cstr,
  i32,
  struct,
  u16,
  u32,
  u64,
  u8,
  type UsageErrorCode,
} from '../../lib/index.js';
import { rawArguments, sample } from '../helpers/samples.js';

const FlowKey = struct('flow_key', { address: u32, port: u16, protocol: u8, padding: u8 });
const flowKey = { address: 0x7f00_0001, port: 80, protocol: 6, padding: 0 };

let ebpf: Ebpf;

beforeEach(async () => {
  ebpf = await Ebpf.load(sample('maps'));
});

afterEach(async () => {
  await ebpf.close();
});

async function touch(): Promise<void> {
  await ebpf.program('touch').testRun({ context: rawArguments(0) });
}

function usageError(code: UsageErrorCode, message: string): Error {
  return expect.objectContaining({ name: 'UsageError', code, message }) as Error;
}

describe('HashMap', () => {
  test('reads what the program wrote, decoded by BTF', async () => {
    await touch();
    const flows = ebpf.map('flows', HashMap);
    const flow = {
      packets: 0n,
      bytes: 0x1122_3344_5566_7788n,
      from: { x: -1, y: 1 },
      label: 'flow',
      hardware: Uint8Array.of(1, 2, 3, 4, 5, 6),
      open: true,
      colour: 5,
    };
    expect(flows.get(flowKey)).toEqual(flow);
    expect([...flows]).toEqual([[flowKey, flow]]);
    expect([...flows.keys()]).toEqual([flowKey]);
    expect([...flows.values()]).toEqual([flow]);
    expect(flows.count()).toBe(1);
  });

  test('writes what the program reads', async () => {
    const counts = ebpf.map('counts', HashMap);
    counts.set(0, 41);
    await touch();
    expect(counts.get(0)).toBe(42n);
  });

  test('behaves as a Map', () => {
    const counts = ebpf.map('counts', HashMap.of(u32, u64));
    expect(counts.get(1)).toBeUndefined();
    expect(counts.has(1)).toBe(false);
    expect(counts.set(1, 10n)).toBe(true);
    expect(counts.set(2, 20)).toBe(true);
    expect(counts.get(2)).toBe(20n);
    expect(counts.has(2)).toBe(true);
    expect(counts.delete(1)).toBe(true);
    expect(counts.delete(1)).toBe(false);
    expect(new Map(counts)).toEqual(new Map([[2, 20n]]));
    counts.clear();
    expect(counts.count()).toBe(0);
  });

  test('stores on a condition', () => {
    const counts = ebpf.map('counts', HashMap.of(u32, u64));
    expect(counts.set(1, 1, { ifPresent: true })).toBe(false);
    expect(counts.set(1, 2, { ifAbsent: true })).toBe(true);
    expect(counts.set(1, 3, { ifAbsent: true })).toBe(false);
    expect(counts.set(1, 4, { ifPresent: true })).toBe(true);
    expect(counts.get(1)).toBe(4n);
    expect(() => counts.set(1, 5, { ifAbsent: true, ifPresent: true })).toThrow(
      usageError('ERR_EBPF_INVALID_VALUE', 'options: ifAbsent and ifPresent exclude each other'),
    );
  });

  test('walks many entries, each once, and clears them', () => {
    const counts = ebpf.map('counts', HashMap.of(u32, u64));
    for (let key = 0; key < 9000; key++) counts.set(key, key * 2);
    expect(counts.count()).toBe(9000);
    const seen = new Map(counts);
    expect(seen.size).toBe(9000);
    expect([...counts]).toHaveLength(9000);
    for (const [key, value] of seen) if (value !== BigInt(key * 2)) throw new Error(`${key} has ${value}`);
    counts.clear();
    expect(counts.count()).toBe(0);
  });

  test('may be changed while it is walked', () => {
    const counts = ebpf.map('counts', HashMap.of(u32, u64));
    for (let key = 0; key < 100; key++) counts.set(key, key);
    let seen = 0;
    for (const [key] of counts) {
      counts.delete(key);
      counts.set(key + 1000, 0);
      if (++seen > 10_000) throw new Error('the walk does not end');
    }
    expect(seen).toBeGreaterThanOrEqual(100);
    expect([...counts.keys()].every((key) => key >= 1000)).toBe(true);
  });

  test('says that it is full, with what to do', async () => {
    const small = await Ebpf.load(sample('maps'), { maps: { counts: { maxEntries: 2 } } });
    const counts = small.map('counts', HashMap.of(u32, u64));
    counts.set(1, 1);
    counts.set(2, 2);
    expect(() => counts.set(3, 3)).toThrow(
      expect.objectContaining({
        name: 'KernelError',
        errnoName: 'E2BIG',
        syscall: 'bpf(BPF_MAP_UPDATE_ELEM)',
        message:
          'cannot update map "counts": bpf(BPF_MAP_UPDATE_ELEM) failed with E2BIG; ' +
          'the map is full: it holds 2 entries; load it with a larger maxEntries',
      }) as Error,
    );
    await small.close();
  });

  test.each([
    ['key.port: expected an integer from 0 to 65535 (__u16), got 70000', { ...flowKey, port: 70_000 }],
    ['key.protocol: missing', { address: 1, port: 2, padding: 0 }],
  ])('refuses a wrong key: %s', (message, key) => {
    const flows = ebpf.map('flows', HashMap);
    expect(() => flows.get(key)).toThrow(
      expect.objectContaining({ code: 'ERR_EBPF_INVALID_VALUE', path: message.split(':')[0] }) as Error,
    );
  });

  test('refuses a wrong value before anything is stored', () => {
    const counts = ebpf.map('counts', HashMap);
    for (const value of [1.5, -1, 2 ** 53, null, undefined, 'text', {}]) {
      expect(() => counts.set(1, value)).toThrow(
        expect.objectContaining({ code: 'ERR_EBPF_INVALID_VALUE', path: 'value' }) as Error,
      );
    }
    expect(counts.count()).toBe(0);
  });

  test('without BTF types gives and takes bytes', async () => {
    await touch();
    const untyped = ebpf.map('untyped', HashMap);
    expect([...untyped]).toEqual([[new TextEncoder().encode('keykey'), new TextEncoder().encode('valuevalue')]]);
    expect(untyped.delete(new TextEncoder().encode('keykey'))).toBe(true);
  });

  test('without BTF types takes declared ones of the same size', async () => {
    await touch();
    const untyped = ebpf.map('untyped', HashMap.of(cstr(6), cstr(10)));
    expect(untyped.get('keykey')).toBe('valuevalue');
  });

  test('declared types of another size are refused', () => {
    expect(() => ebpf.map('untyped', HashMap.of(u32, bytes(10)))).toThrow(
      usageError('ERR_EBPF_INVALID_VALUE', 'the key of map "untyped": it has 6 bytes, but u32 has 4'),
    );
    expect(() => ebpf.map('counts', HashMap.of(u64, u64))).toThrow(
      expect.objectContaining({
        code: 'ERR_EBPF_INVALID_VALUE',
        message: expect.stringContaining('the key of map "counts"') as string,
      }) as Error,
    );
  });

  test('declared types are checked against BTF, names included', () => {
    const Renamed = struct('flow_key', { addr: u32, port: u16, protocol: u8, padding: u8 });
    expect(() => ebpf.map('flows', HashMap.of(Renamed, bytes(56)))).toThrow(
      expect.objectContaining({
        code: 'ERR_EBPF_INVALID_VALUE',
        message: expect.stringMatching(/^the key of map "flows": .*addr/s) as string,
      }) as Error,
    );
  });

  test('keeps the types it is first used with', () => {
    const counts = ebpf.map('counts', HashMap.of(u32, u64));
    expect(ebpf.map('counts', HashMap.of(u32, u64))).toBe(counts);
    expect(ebpf.map('counts', HashMap)).toBe(counts);
    expect(() => ebpf.map('counts', HashMap.of(u32, u64.asNumber))).toThrow(
      usageError(
        'ERR_EBPF_INVALID_VALUE',
        'map "counts": it is already used with other types; declare them once and ask with the same ones',
      ),
    );
    const flows = ebpf.map('flows', HashMap);
    flows.has(flowKey);
    expect(() => ebpf.map('flows', HashMap.of(FlowKey, bytes(56)))).toThrow(
      expect.objectContaining({ code: 'ERR_EBPF_INVALID_VALUE' }) as Error,
    );
  });
});

describe('ArrayMap', () => {
  const Point = struct('point', { x: i32, y: i32 });

  test('reads and writes what the program sees', async () => {
    const points = ebpf.map('points', ArrayMap.of(Point));
    expect(points.length).toBe(16);
    expect(points.get(0)).toEqual({ x: 0, y: 0 });
    points.set(3, { x: 1, y: -2 });
    await touch();
    expect(points.get(0)).toEqual({ x: 3, y: -4 });
    expect([...points]).toHaveLength(16);
    expect([...points.entries()].filter(([, { x }]) => x !== 0)).toEqual([
      [0, { x: 3, y: -4 }],
      [3, { x: 1, y: -2 }],
    ]);
  });

  test('ends where it ends', () => {
    const points = ebpf.map('points', ArrayMap);
    expect(points.get(16)).toBeUndefined();
    expect(() => {
      points.set(16, { x: 0, y: 0 });
    }).toThrow(usageError('ERR_EBPF_INVALID_VALUE', 'index: 16 is past the end of map "points", whose length is 16'));
    expect(() => points.get(-1)).toThrow(
      usageError('ERR_EBPF_INVALID_VALUE', 'index: must be a whole number from 0, not -1'),
    );
    expect(() => points.get(0.5)).toThrow(
      usageError('ERR_EBPF_INVALID_VALUE', 'index: must be a whole number from 0, not 0.5'),
    );
  });

  test('is not a hash', () => {
    expect(() => ebpf.map('points', HashMap)).toThrow(
      usageError('ERR_EBPF_INVALID_VALUE', 'map "points": it is a map of type ARRAY, not a HashMap; ask for ArrayMap'),
    );
    expect(() => ebpf.map('counts', ArrayMap)).toThrow(
      usageError('ERR_EBPF_INVALID_VALUE', 'map "counts": it is a map of type HASH, not a ArrayMap; ask for HashMap'),
    );
  });

  test('a data section is an array of one struct of its variables', () => {
    expect(ebpf.map('.data.custom', ArrayMap).get(0)).toEqual({ custom_value: 77 });
  });

  test('declared types of another layout are refused', () => {
    expect(() => ebpf.map('points', ArrayMap.of(array(i32, 3)))).toThrow(
      expect.objectContaining({ code: 'ERR_EBPF_INVALID_VALUE' }) as Error,
    );
  });
});

describe('raw access', () => {
  test("moves the caller's bytes", () => {
    const { raw } = ebpf.map('counts');
    const key = new Uint8Array(Uint32Array.of(5).buffer);
    const value = new Uint8Array(BigUint64Array.of(99n).buffer);
    const out = new Uint8Array(8);
    expect(raw.get(key, out)).toBe(false);
    expect(raw.set(key, value)).toBe(true);
    expect(raw.set(key, value, MapUpdateFlag.NOEXIST)).toBe(false);
    expect(raw.get(key, out)).toBe(true);
    expect(out).toEqual(value);
    const next = new Uint8Array(4);
    expect(raw.nextKey(null, next)).toBe(true);
    expect(next).toEqual(key);
    expect(raw.nextKey(key, next)).toBe(false);
    expect(raw.delete(key)).toBe(true);
    expect(raw.delete(key)).toBe(false);
  });

  test('refuses buffers shorter than the kernel reads and writes', () => {
    const { raw } = ebpf.map('counts');
    expect(() => raw.get(new Uint8Array(3), new Uint8Array(8))).toThrow(
      usageError('ERR_EBPF_INVALID_VALUE', 'key: it has 3 bytes; keys of map "counts" have 4'),
    );
    expect(() => raw.get(new Uint8Array(4), new Uint8Array(7))).toThrow(
      usageError('ERR_EBPF_INVALID_VALUE', 'value: it has 7 bytes; values of map "counts" have 8'),
    );
    expect(() => raw.set(new Uint8Array(4), new Uint8Array(7))).toThrow(
      usageError('ERR_EBPF_INVALID_VALUE', 'value: it has 7 bytes; values of map "counts" have 8'),
    );
  });
});

describe('variables', () => {
  test('are read as the object sets them', () => {
    const value = (name: string): unknown => ebpf.variable(name).value;
    expect(value('data_s8')).toBe(-8);
    expect(value('data_u64')).toBe(0xfedc_ba98_7654_3210n);
    expect(value('data_double')).toBe(-2.25);
    expect(value('data_text')).toBe('text');
    expect(value('data_colour')).toBe(-3);
    expect(value('data_point')).toEqual({ x: 3, y: -4 });
    expect(value('data_matrix')).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(value('flag')).toBe(true);
    expect(value('greeting')).toBe('hello');
    expect(value('custom_value')).toBe(77);
    expect(value('custom_constant')).toBe(78);
    expect(value('touched')).toBe(0n);
  });

  test('change with the program, and the program with them', async () => {
    ebpf.variable('data_u64').value = 7;
    ebpf.variable('data_point').value = { x: 10, y: 20 };
    await touch();
    expect(ebpf.variable('data_u64').value).toBe(8n);
    expect(ebpf.variable('touched').value).toBe(1n);
    expect(ebpf.map('points', ArrayMap).get(0)).toEqual({ x: 10, y: 20 });
    expect(ebpf.variable('bss_text').value).toBe('hello');
    expect(ebpf.variable('data_mixed').value).toMatchObject({ low: 5, middle: 3, high: 0xabcdef });
  });

  test('set before the load are what the program sees', async () => {
    const other = await Ebpf.load(sample('maps'), {
      variables: { greeting: 'good day', flag: false, octets: Uint8Array.of(9, 8, 7, 100), data_s32: 5 },
    });
    await other.program('touch').testRun({ context: rawArguments(0) });
    expect(other.variable('bss_text').value).toBe('good day');
    expect(other.variable('data_s32').value).toBe(6);
    expect(other.variable('data_matrix').value).toEqual([
      [1, 2, 3],
      [4, 5, 106],
    ]);
    expect(other.map('flows', HashMap).get(flowKey)).toMatchObject({ open: false });
    await other.close();
  });

  test('refuse what is not of their type', () => {
    const variable = ebpf.variable('data_point');
    expect(() => {
      variable.value = { x: 1 };
    }).toThrow(expect.objectContaining({ code: 'ERR_EBPF_INVALID_VALUE' }) as Error);
    expect(variable.value).toEqual({ x: 3, y: -4 });
    expect(inspect(variable)).toBe("Variable { 'data_point', struct point in .data }");
  });
});

test('every map is a BpfMap of the class of its type', () => {
  const classes = Object.fromEntries(ebpf.maps.map((map) => [map.name, map.constructor]));
  expect(classes).toMatchObject({ flows: HashMap, counts: HashMap, points: ArrayMap, records: RingBuffer });
  expect(ebpf.maps.every((map) => map instanceof BpfMap)).toBe(true);
  expect(ebpf.map('flows').type).toBe(MapType.HASH);
});

test('a map outlives its Ebpf by a pin in a BPF file system only', async () => {
  const map = ebpf.map('counts', HashMap);
  expect(() => {
    map.pin('/tmp/not-a-bpf-file-system');
  }).toThrow(expect.objectContaining({ code: 'ERR_EBPF_INVALID_VALUE', path: 'path' }) as Error);
  map.close();
  map[Symbol.dispose]();
  expect(map.closed).toBe(true);
  await touch();
});

test.each(['.rodata', '.data', '.bss', '.data.custom'])('section %s is decoded as its variables are', (section) => {
  const value = ebpf.map(section, ArrayMap).get(0) as Record<string, unknown>;
  const variables = [...ebpf.spec.variables.values()].filter((variable) => variable.section === section);
  expect(variables.length).toBeGreaterThan(0);
  for (const { name } of variables) expect([name, value[name]]).toEqual([name, ebpf.variable(name).value]);
});
