import { bothWays, built, caught, encoded, type Types } from './support.js';

function event(t: Types): number {
  const address = t.struct('address', 8, [
    ['port', t.typedef('__be16', t.u16), 0],
    ['octets', t.array(t.u8, 4), 2],
  ]);
  return t.struct('event', 96, [
    ['ts', t.typedef('__u64', t.u64), 0],
    ['pid', t.typedef('__u32', t.u32), 8],
    ['delta', t.s16, 12],
    ['open', t.bool, 14],
    ['ratio', t.builder.addFloat('float', 4), 16],
    [
      'colour',
      t.builder.addEnum('colour', {
        values: [
          { name: 'RED', value: 0 },
          { name: 'GREEN', value: 5 },
        ],
      }),
      20,
    ],
    ['comm', t.array(t.char, 16), 24],
    ['peers', t.array(address, 4), 40],
    ['pointer', t.builder.addPointer(0), 72],
    ['mode', t.u32, 640, 4],
    ['state', t.s32, 644, 3],
    ['slots', t.array(t.u16, 2), 88],
  ]);
}

const peer = { port: 443, octets: Uint8Array.of(127, 0, 0, 1) };
const good = {
  ts: 1n,
  pid: 2,
  delta: -3,
  open: true,
  ratio: 0.5,
  colour: 5,
  comm: 'bash',
  peers: [peer, peer, peer, peer],
  pointer: 0n,
  mode: 15,
  state: -4,
  slots: [1, 2],
};

const { codec: eventCodec } = built(event);
const ways = bothWays(eventCodec.layout);

test.each<[string, unknown]>([
  ['numbers and bigints for one another', { ...good, ts: 1, pid: 2n, delta: -3n, pointer: 0 }],
  ['names for enumerators', { ...good, colour: 'GREEN' }],
  [
    'arrays for bytes, typed arrays for arrays',
    { ...good, slots: Uint16Array.of(1, 2), peers: [peer, peer, peer, { port: 443, octets: [127, 0, 0, 1] }] },
  ],
  ['bytes for strings', { ...good, comm: Buffer.from('bash'.padEnd(16, '\0')) }],
  ['extra properties that are undefined', { ...good, more: undefined }],
  ['objects of a class', Object.assign(new (class Event {})(), good)],
  ['objects without prototype', Object.assign(Object.create(null) as object, good)],
])('takes %s', (_name, value) => {
  for (const { codec } of ways) expect(encoded(codec, value)).toEqual(encoded(eventCodec, good));
});

const refused: [change: Record<string, unknown>, message: string][] = [
  [{ pid: -1 }, 'value.pid: expected an integer from 0 to 4294967295 (__u32), got -1'],
  [{ pid: 2 ** 32 }, 'value.pid: expected an integer from 0 to 4294967295 (__u32), got 4294967296'],
  [{ pid: 1.5 }, 'value.pid: expected an integer from 0 to 4294967295 (__u32), got 1.5'],
  [{ pid: NaN }, 'value.pid: expected an integer from 0 to 4294967295 (__u32), got NaN'],
  [{ pid: '7' }, 'value.pid: expected an integer from 0 to 4294967295 (__u32), got "7"'],
  [{ pid: null }, 'value.pid: expected an integer from 0 to 4294967295 (__u32), got null'],
  [{ pid: 2n ** 32n }, 'value.pid: expected an integer from 0 to 4294967295 (__u32), got 4294967296n'],
  [{ pid: undefined }, 'value.pid: missing, expected an integer from 0 to 4294967295 (__u32)'],
  [{ delta: 32768 }, 'value.delta: expected an integer from -32768 to 32767 (short), got 32768'],
  [{ ts: -1n }, 'value.ts: expected a bigint or safe integer from 0 to 18446744073709551615 (__u64), got -1n'],
  [
    { ts: 2n ** 64n },
    'value.ts: expected a bigint or safe integer from 0 to 18446744073709551615 (__u64), got 18446744073709551616n',
  ],
  [{ ts: 2 ** 60 }, 'value.ts: expected a bigint, as numbers beyond 2^53 are rounded (__u64), got 1152921504606847000'],
  [{ ts: '1' }, 'value.ts: expected a bigint or safe integer from 0 to 18446744073709551615 (__u64), got "1"'],
  [
    { pointer: {} },
    'value.pointer: expected a bigint or safe integer from 0 to 18446744073709551615 (void *), got an object',
  ],
  [{ open: 1 }, 'value.open: expected true or false (_Bool), got 1'],
  [{ ratio: '1' }, 'value.ratio: expected a number (float), got "1"'],
  [
    { ratio: 1e39 },
    'value.ratio: expected a number from -3.4028234663852886e+38 to 3.4028234663852886e+38 (float), got 1e+39',
  ],
  [{ colour: 'GREN' }, 'value.colour: enum colour has no value named "GREN"; did you mean "GREEN"?'],
  [{ colour: 'mauve' }, 'value.colour: enum colour has no value named "mauve"; it has "RED", "GREEN"'],
  [{ colour: -1 }, 'value.colour: expected an integer from 0 to 4294967295 (enum colour), got -1'],
  [{ comm: 'a command too long' }, 'value.comm: the string "a command too long" takes 18 bytes, there are 16'],
  [{ comm: 'éééééééé€' }, 'value.comm: the string "éééééééé€" takes 19 bytes, there are 16'],
  [{ comm: 'ab\0cd' }, 'value.comm: the string "ab\\x00cd" contains a NUL'],
  [{ comm: 'ab\ud800' }, 'value.comm: the string "ab\\ud800" is not well-formed: it has half a surrogate pair'],
  [{ comm: 7 }, 'value.comm: expected a string of up to 16 bytes, got 7'],
  [{ comm: new Uint8Array(15) }, 'value.comm: expected a Uint8Array of exactly 16 bytes, got 15 bytes'],
  [{ peers: [peer, peer, peer] }, 'value.peers: expected an array of 4, got one of 3'],
  [{ peers: peer }, 'value.peers: expected an array of 4, got an object'],
  [{ peers: undefined }, 'value.peers: missing, expected an array of 4'],
  [{ peers: [peer, peer, peer, 7] }, 'value.peers[3]: expected an object (struct address), got 7'],
  [{ peers: [peer, peer, peer, undefined] }, 'value.peers[3]: missing, expected an object (struct address)'],
  [
    { peers: [peer, peer, { ...peer, port: 65536 }, peer] },
    'value.peers[2].port: expected an integer from 0 to 65535 (__be16), got 65536',
  ],
  [
    { peers: [peer, { ...peer, octets: [127, 0, 0, 256] }, peer, peer] },
    'value.peers[1].octets[3]: expected an integer from 0 to 255 (byte), got 256',
  ],
  [
    { peers: [peer, { ...peer, octets: [127, 0] }, peer, peer] },
    'value.peers[1].octets: expected a Uint8Array of exactly 4 bytes, got an array of 2',
  ],
  [
    { peers: [{ ...peer, prt: 1 }, peer, peer, peer] },
    'value.peers[0].prt: struct address has no member named "prt"; did you mean "port"?',
  ],
  [{ mode: 16 }, 'value.mode: expected a bigint or safe integer from 0 to 15 (unsigned int:4), got 16'],
  [{ state: -5 }, 'value.state: expected a bigint or safe integer from -4 to 3 (int:3), got -5'],
  [{ slots: Float64Array.of(1, 2.5) }, 'value.slots[1]: expected an integer from 0 to 65535 (unsigned short), got 2.5'],
  [{ pid: undefined, pidd: 7 }, 'value.pidd: struct event has no member named "pidd"; did you mean "pid"?'],
  [
    { '\x1b[31m': 7 },
    'value["\\x1b[31m"]: struct event has no member named "\\x1b[31m"; it has "ts", "pid", "delta", "open", "ratio", "colour", "comm", "peers", "pointer", "mode", "state", "slots"',
  ],
];

test.each(refused)('refuses %j: %s', (change, message) => {
  for (const { codec } of ways) {
    const error = caught(() => encoded(codec, { ...good, ...change }));
    expect((error as Error).message).toBe(message);
    expect(error).toMatchObject({ name: 'UsageError', path: message.slice(0, message.indexOf(': ')) });
  }
});

test.each<[unknown, string]>([
  [undefined, 'value: missing, expected an object (struct event)'],
  [null, 'value: expected an object (struct event), got null'],
  [7, 'value: expected an object (struct event), got 7'],
  [[], 'value: expected an object (struct event), got an array of 0'],
  [new Uint8Array(96), 'value: expected an object (struct event), got 96 bytes'],
  [Symbol('x'), 'value: expected an object (struct event), got a symbol'],
])('refuses %p for a struct', (value, message) => {
  for (const { codec } of ways) expect((caught(() => encoded(codec, value)) as Error).message).toBe(message);
});

test('unknown members carry the nearest names and their own code', () => {
  for (const { codec } of ways) {
    expect(caught(() => encoded(codec, { ...good, pidd: 7 }))).toMatchObject({
      code: 'ERR_EBPF_NOT_FOUND',
      path: 'value.pidd',
      suggestions: ['pid'],
    });
  }
});

test('the path starts as the caller says', () => {
  const view = new DataView(new ArrayBuffer(96));
  for (const { codec } of ways) {
    expect(() => {
      codec.encode({ ...good, pid: -1 }, view, 0, 'variables.last');
    }).toThrow('variables.last.pid: expected');
  }
});

test('members that only the kernel writes may not be given', () => {
  const { codec } = built((t) =>
    t.struct('value', 8, [
      ['lock', t.struct('bpf_spin_lock', 4, [['val', t.u32, 0]]), 0],
      ['count', t.u32, 4],
    ]),
  );
  for (const way of bothWays(codec.layout)) {
    expect(() => encoded(way.codec, { lock: { val: 0 }, count: 1 })).toThrow(
      'value.lock: only the kernel writes this member of struct value; leave it out',
    );
  }
});

test('strings for 64 bits are taken where they are given', () => {
  const { codec } = built((t) => t.struct('s', 8, [['ts', t.u64, 0]]), { int64: 'string' });
  for (const way of bothWays(codec.layout)) {
    expect(encoded(way.codec, { ts: '5' })).toEqual(encoded(way.codec, { ts: 5n }));
    expect(encoded(way.codec, { ts: 5 })).toEqual(encoded(way.codec, { ts: 5n }));
    for (const ts of ['', '0x5', '5.0', ' 5', '1e3', '18446744073709551616']) {
      expect(() => encoded(way.codec, { ts })).toThrow(
        'value.ts: expected a decimal string, bigint or safe integer from 0 to 18446744073709551615 (unsigned long long), got',
      );
    }
  }
});
