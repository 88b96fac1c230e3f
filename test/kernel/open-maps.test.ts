// Maps made without an object, and maps that exist already: opened by pin, id, descriptor and token.
import { mkdtempSync, readdirSync, readlinkSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  ArrayMap,
  BpfMap,
  Ebpf,
  HashMap,
  LpmTrie,
  MapFlag,
  PerCpuHashMap,
  RingBuffer,
  array,
  bytes,
  cstr,
  ipv4Prefix,
  struct,
  u32,
  u64,
  type EntryCodec,
  type UsageErrorCode,
} from '../../lib/index.js';
import { runChild } from '../helpers/child.js';
import { PinFolder } from '../helpers/pin-folder.js';
import { rawArguments, sample } from '../helpers/samples.js';

const Counts = struct('counts', { packets: u64, name: cstr(8), slots: array(u32, 2) });
const counts = { packets: 1n, name: 'one', slots: [1, 2] };

const opened: BpfMap[] = [];
afterEach(() => {
  for (const map of opened.splice(0)) map.close();
});

function keep<M extends BpfMap>(map: M): M {
  opened.push(map);
  return map;
}

function usageError(message: RegExp, code: UsageErrorCode = 'ERR_EBPF_INVALID_VALUE'): Error {
  return expect.objectContaining({
    name: 'UsageError',
    code,
    message: expect.stringMatching(message) as string,
  }) as Error;
}

async function makeCounts() {
  const map = await HashMap.create({ name: 'made_counts', key: u32, value: Counts, maxEntries: 8 });
  keep(map).set(1, counts);
  return map;
}

describe('create', () => {
  test('makes a map with the types that were declared, which the kernel knows too', async () => {
    const map = await makeCounts();
    expect(map.get(1)).toEqual(counts);
    expect(map.info()).toMatchObject({ name: 'made_counts', keySize: 4, valueSize: 24, maxEntries: 8 });
    const other = keep(HashMap.open({ id: map.info().id }));
    expect(other.name).toBe('made_counts');
    expect([...other]).toEqual([[1, counts]]);
    other.set(2, { ...counts, packets: 2 });
    expect(map.get(2)).toEqual({ ...counts, packets: 2n });
  });

  test('makes a map of bytes', async () => {
    const map = keep(await HashMap.create({ keySize: 3, valueSize: 5, maxEntries: 2 }));
    map.set(Uint8Array.of(1, 2, 3), Uint8Array.of(1, 2, 3, 4, 5));
    expect([...map]).toEqual([[Uint8Array.of(1, 2, 3), Uint8Array.of(1, 2, 3, 4, 5)]]);
    expect(() => map.set(Uint8Array.of(1), Uint8Array.of(1, 2, 3, 4, 5))).toThrow(
      usageError(/^key: .*exactly 3 bytes/),
    );
  });

  test('takes codecs of your own', async () => {
    const hex: EntryCodec<string> = {
      typeName: 'hexadecimal',
      size: 3,
      decode: (view, offset) => Buffer.from(view.buffer, view.byteOffset + offset, 3).toString('hex'),
      encode: (value, view, offset) => {
        Buffer.from(view.buffer, view.byteOffset + offset, 3).write(value, 'hex');
      },
    };
    const map = keep(await HashMap.create({ key: hex, value: u32, maxEntries: 2 }));
    map.set('0a0b0c', 1);
    map.set('ff', 2);
    expect(new Map(map)).toEqual(
      new Map([
        ['0a0b0c', 1],
        ['ff0000', 2],
      ]),
    );
    expect(map.info().btfId).toBe(0);
  });

  test.each([
    ['no size', { key: u32, value: u32 }, /^maxEntries: must be a whole number from 1/],
    ['no key', { value: u32, maxEntries: 1 }, /^key: either key, a type such as u32, or keySize/],
    ['two keys', { key: u32, keySize: 4, value: u32, maxEntries: 1 }, /^key: either key/],
    ['an empty key', { keySize: 0, value: u32, maxEntries: 1 }, /^keySize: must be a whole number from 1/],
    ['negative flags', { key: u32, value: u32, maxEntries: 1, flags: -1 }, /^flags: must be a whole number from 0/],
  ])('refuses what does not make a map: %s', async (_, options, message) => {
    await expect(HashMap.create(options as never)).rejects.toThrow(usageError(message));
  });

  test('refuses options that it does not know', async () => {
    const options = { key: u32, value: u32, maxEntries: 1, maxEntires: 1 };
    await expect(HashMap.create(options)).rejects.toThrow(usageError(/maxEntires.*did you mean/, 'ERR_EBPF_NOT_FOUND'));
  });

  test('says what the kernel refused', async () => {
    const failing = HashMap.create({ name: 'odd', key: u32, value: u32, maxEntries: 1, flags: MapFlag.INNER_MAP });
    await expect(failing).rejects.toMatchObject({
      errnoName: 'EINVAL',
      message: expect.stringContaining('create map "odd"') as string,
    });
  });
});

describe('open', () => {
  test('gives the class of whatever map it is, and refuses another', async () => {
    const map = await makeCounts();
    const { id } = map.info();
    const found = keep(BpfMap.open({ id }));
    expect(found.constructor).toBe(HashMap);
    expect(() => ArrayMap.open({ id })).toThrow(usageError(/is a map of type HASH, not a ArrayMap; ask for HashMap/));
  });

  test('takes declared types, and holds them against those that the kernel has', async () => {
    const { id } = (await makeCounts()).info();
    expect(keep(HashMap.of(u32, Counts).open({ id })).get(1)).toEqual(counts);
    const Other = struct('counts', { packets: u64, title: cstr(8), slots: array(u32, 2) });
    expect(() => HashMap.of(u32, Other).open({ id })).toThrow(usageError(/^the value of map "made_counts": .*title/s));
    expect(() => HashMap.of(u64, Counts).open({ id })).toThrow(usageError(/^the key of map "made_counts"/));
  });

  test('decodes as it is asked to', async () => {
    const { id } = (await makeCounts()).info();
    expect(keep(HashMap.open({ id }, { int64: 'string' })).get(1)).toEqual({ ...counts, packets: '1' });
  });

  test('by descriptor copies it', async () => {
    const map = await makeCounts();
    const before = descriptors();
    const [descriptor = -1] = before;
    const copy = keep(BpfMap.open({ descriptor }));
    expect(descriptors()).toHaveLength(before.length + 1);
    expect(copy.info().id).toBe(map.info().id);
    copy.close();
    expect(map.get(1)).toEqual(counts);
    expect(() => BpfMap.open({ descriptor: 0 })).toThrow(usageError(/^descriptor: 0 is a/));
    expect(() => BpfMap.open({ descriptor: 1_000_000 })).toThrow(/EBADF/);
  });

  test.each([
    ['read', 'set'],
    ['write', 'get'],
  ] as const)('for %s only does no more than that', async (access, refused) => {
    const map = await makeCounts();
    const limited = keep(HashMap.of(u32, Counts).open({ id: map.info().id }, { access }));
    const act = { get: () => limited.get(1), set: () => limited.set(1, { ...counts, packets: 9n }) };
    expect(act[refused]).toThrow(
      expect.objectContaining({ errnoName: 'EPERM', message: expect.stringContaining('(access)') as string }) as Error,
    );
    expect(act[refused === 'get' ? 'set' : 'get']).not.toThrow();
  });

  test.each([
    [undefined, /^source: must be the path of a pin, \{ id \}/],
    [{}, /^source: must be the path of a pin/],
    [{ id: 0 }, /^id: must be a whole number from 1/],
    [{ id: 1.5 }, /^id: must be/],
    [{ descriptor: -1 }, /^descriptor: must be/],
  ])('refuses %j', (source, message) => {
    expect(() => BpfMap.open(source as never)).toThrow(usageError(message));
  });

  test('says that there is no such map', () => {
    expect(() => BpfMap.open({ id: 0x7fff_fff0 })).toThrow(expect.objectContaining({ errnoName: 'ENOENT' }) as Error);
    expect(() => BpfMap.open('/sys/fs/bpf/not/there')).toThrow(/ENOENT/);
    expect(() => BpfMap.open({ id: 1 }, { access: 'all' as never })).toThrow(usageError(/^access: must be/));
  });
});

test('pins are opened, for reading or writing only if asked, and removed by their own map', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'node-ebpf-maps-'));
  try {
    // The file system is gone with the namespace, and with it every pin.
    const wrapper = ['unshare', '-m', 'sh', '-c', `mount -t bpf bpf '${folder}' && exec "$@"`, 'sh'];
    const child = await runChild(join(__dirname, 'children', 'map-pins.ts'), [folder], { wrapper });
    expect(child).toEqual({ code: 0, signal: null, stdout: 'done\n', stderr: '' });
  } finally {
    rmdirSync(folder);
  }
}, 30_000);

test('a pinned ring is read on by whoever opens it, and keeps what nobody has read', async () => {
  const pins = await PinFolder.create();
  const ebpf = await Ebpf.load(sample('ring_burst'));
  try {
    const path = join(pins.path, 'events');
    const context = rawArguments(3, 16, 0);
    await ebpf.program('burst').testRun({ context });
    ebpf.map('events').pin(path);
    const first = keep(RingBuffer.open(path)).read();
    for await (const batch of first.batches()) {
      expect(batch.length).toBe(3);
      break;
    }
    await first.close();
    // Nobody reads: it stays in the ring, for the next who opens it.
    await ebpf.program('burst').testRun({ context });
    const second = keep(RingBuffer.open(path)).read();
    let seen = 0;
    for await (const record of second) {
      expect(record).toHaveLength(16);
      if (++seen === 3) break;
    }
    ebpf.map('events').unpin(path);
  } finally {
    await ebpf.close();
    await pins.close();
  }
});

test('a frozen map is only read', async () => {
  const map = keep(await ArrayMap.create({ name: 'frozen', value: u32, maxEntries: 1 }));
  map.set(0, 7);
  map.freeze();
  expect(() => {
    map.set(0, 8);
  }).toThrow(
    expect.objectContaining({ errnoName: 'EPERM', message: expect.stringContaining('frozen') as string }) as Error,
  );
  expect(map.get(0)).toBe(7);
  expect(() => {
    map.freeze();
  }).toThrow(/EPERM|EBUSY/);
});

describe('a token', () => {
  const posted = (token: object) => structuredClone(token) as ReturnType<BpfMap['share']>;

  test('is taken once, with the types', async () => {
    const map = await makeCounts();
    const token = map.share();
    const taken = keep(HashMap.open(posted(token)));
    expect(taken.name).toBe('made_counts');
    expect([...taken]).toEqual([[1, counts]]);
    taken.set(2, { packets: 5, name: 'two', slots: [0, 0] });
    expect(map.get(2)).toMatchObject({ packets: 5n });
    expect(() => HashMap.open(posted(token))).toThrow(
      usageError(/^token: map "made_counts" was taken with it already/),
    );
    map.close();
    expect(taken.get(1)).toEqual(counts);
  });

  test('that is not taken ends with its map', async () => {
    const map = await makeCounts();
    const before = descriptors().length;
    const tokens = [map.share(), map.share(), map.share()];
    expect(descriptors()).toHaveLength(before + 3);
    map.close();
    expect(descriptors()).toHaveLength(before - 1);
    for (const token of tokens)
      expect(() => HashMap.open(posted(token))).toThrow(usageError(/is closed where it was shared/));
    expect(() => map.share()).toThrow(usageError(/is closed/, 'ERR_EBPF_CLOSED'));
  });

  test('of a per-CPU map of declared bytes', async () => {
    const map = keep(await PerCpuHashMap.create({ name: 'each', key: bytes(2), value: u64.asNumber, maxEntries: 4 }));
    const values = Array.from({ length: map.cpus }, (_, cpu) => cpu * 3);
    map.set([1, 2], values);
    expect([...keep(PerCpuHashMap.open(posted(map.share())))]).toEqual([[Uint8Array.of(1, 2), values]]);
  });

  test('of types that are code is taken with those that the kernel has, or declares them again', async () => {
    const map = keep(await LpmTrie.create({ name: 'routes', key: ipv4Prefix, value: u32, maxEntries: 4 }));
    map.set('10.0.0.0/8', 7);
    const byKernel = keep(LpmTrie.open(posted(map.share())));
    expect([...byKernel]).toEqual([[{ prefixLength: 8, data: Uint8Array.of(10, 0, 0, 0) }, 7]]);
    const again = keep(LpmTrie.of(ipv4Prefix, u32).open(posted(map.share())));
    expect([...again]).toEqual([['10.0.0.0/8', 7]]);
    expect(() => LpmTrie.of(ipv4Prefix, u64).open(posted(map.share()))).toThrow(
      usageError(/^the value of map "routes"/),
    );
  });

  test('that is made up opens nothing', () => {
    const forged = { nodeEbpfShare: 5, name: 'forged', decode: {}, keyType: 0, valueType: 0 };
    expect(() => BpfMap.open(forged as never)).toThrow(usageError(/^token: map "forged"/));
  });
});

/** Descriptors of maps that this process holds. */
function descriptors(): number[] {
  const numbers: number[] = [];
  for (const descriptor of readdirSync('/proc/self/fd')) {
    try {
      if (readlinkSync(`/proc/self/fd/${descriptor}`) === 'anon_inode:bpf-map') numbers.push(Number(descriptor));
    } catch {
      // Closed meanwhile: the folder's own.
    }
  }
  return numbers;
}
