import {
  array,
  be16,
  be32,
  bool,
  bytes,
  checkLayout,
  cstr,
  f64,
  i32,
  i64,
  pointer,
  struct,
  u16,
  u32,
  u64,
  u8,
  type Codec,
} from '../../../lib/codec/index.js';
import { built, caught, type Types } from './support.js';

function event(t: Types): number {
  return t.struct('event', 48, [
    ['ts', t.typedef('__u64', t.u64), 0],
    ['cgroup', t.typedef('__u64', t.u64), 8],
    ['pid', t.typedef('__u32', t.u32), 16],
    ['delta', t.s32, 20],
    ['comm', t.array(t.char, 16), 24],
    ['open', t.bool, 40],
  ]);
}

const fits = { ts: u64, cgroup: u64, pid: u32, delta: i32, comm: cstr(16), open: bool };

function check(declared: Codec<unknown>, build: (t: Types) => number): string {
  const { btf, id } = built(build);
  const error = caught(() => {
    checkLayout(declared, btf, id);
  });
  expect(error).toMatchObject({ name: 'UsageError', code: 'ERR_EBPF_INVALID_VALUE' });
  return (error as Error).message;
}

test('a declaration that fits', () => {
  const { btf, id } = built(event);
  checkLayout(struct('event', fits), btf, id);
  checkLayout(struct('another_name', fits), btf, id);
});

test('the whole message: the first difference, both layouts, and what to write instead', () => {
  expect(check(struct('event', { ts: u64, pid: u32, delta: i32, comm: cstr(16), open: bool }), event)).toBe(
    `struct event.cgroup: does not match the object's struct event: field "cgroup" is in the object at offset 8 (__u64), but not declared

  declared                       in the object
  offset  size  field            offset  size  field
       0     8  ts: u64               0     8  ts: __u64
>      8     4  pid: u32              8     8  cgroup: __u64
      12     4  delta: i32           16     4  pid: __u32
      16    16  comm: cstr(16)       20     4  delta: int
      32     1  open: bool           24    16  comm: char [16]
                                     40     1  open: _Bool
            40  in all                     48  in all

To match, declare it as struct('event', { ts: u64, cgroup: u64, pid: u32, delta: i32, comm: cstr(16), open: bool })`,
  );
});

test.each<[string, Record<string, Codec<unknown>>, string]>([
  [
    'a misspelt name',
    { ...fits, open: undefined as never, opened: bool },
    'field "opened" is not in the object; did you mean "open"?',
  ],
  [
    'another name',
    { ts: u64, cgroup: u64, process: u32, delta: i32, comm: cstr(16), open: bool },
    'field "process" is not in the object, which has "pid" at its offset 16',
  ],
  [
    'a smaller field',
    { ...fits, cgroup: u32 },
    'field "cgroup" is u32 of 4 bytes as declared, __u64 of 8 bytes in the object',
  ],
  [
    'the wrong sign',
    { ...fits, delta: u32 },
    'field "delta" is unsigned (u32) as declared, signed (int) in the object',
  ],
  ['a shorter string', { ...fits, comm: cstr(12) }, 'field "comm" has 12 elements as declared, 16 in the object'],
  ['another kind', { ...fits, ts: f64 }, 'field "ts" is f64 of 8 bytes as declared, __u64 of 8 bytes in the object'],
  [
    'another order',
    { cgroup: u64, ts: u64, pid: u32, delta: i32, comm: cstr(16), open: bool },
    'field "cgroup" is at offset 0 as declared, at 8 in the object',
  ],
  [
    'a missing last field',
    { ts: u64, cgroup: u64, pid: u32, delta: i32, comm: cstr(16) },
    'field "open" is in the object at offset 40 (_Bool), but not declared',
  ],
])('%s', (_name, fields, problem) => {
  const given = Object.fromEntries(Object.entries(fields).filter(([, codec]) => codec !== (undefined as never)));
  expect(check(struct('event', given), event)).toContain(`does not match the object's struct event: ${problem}\n`);
});

test('nested structs are compared, and shown themselves', () => {
  const build = (t: Types): number => {
    const peer = t.struct('peer', 8, [
      ['address', t.u32, 0],
      ['port', t.typedef('__be16', t.u16), 4],
    ]);
    return t.struct('event', 20, [
      ['count', t.u32, 0],
      ['peers', t.array(peer, 2), 4],
    ]);
  };
  const message = check(
    struct('event', { count: u32, peers: array(struct('peer', { address: be32, port: u16 }), 2) }),
    build,
  );
  expect(message).toContain(
    `struct event.peers[].port: does not match the object's struct event: field "peers[].port" has the host's byte order as declared, the object's __be16 is big-endian\n`,
  );
  expect(message).toContain('>      4     2  port: u16');
  expect(message).toContain(
    "declare it as struct('event', { count: u32, peers: array(struct('peer', { address: u32, port: be16 }), 2) })",
  );
  const { btf, id } = built(build);
  checkLayout(struct('event', { count: u32, peers: array(struct('peer', { address: be32, port: be16 }), 2) }), btf, id);
});

test('whatever a declaration can say of the same bytes passes', () => {
  const { btf, id } = built((t) =>
    t.struct('event', 64, [
      ['pointer', t.builder.addPointer(0), 0],
      ['handle', t.u64, 8],
      ['raw', t.array(t.u8, 8), 16],
      ['text', t.array(t.char, 8), 24],
      ['flag', t.u8, 32],
      ['kind', t.builder.addEnum('kind', { values: [{ name: 'A', value: 1 }] }), 36],
      [
        'either',
        t.union('', 8, [
          ['a', t.u64, 0],
          ['b', t.u32, 0],
        ]),
        40,
      ],
      [
        '',
        t.union('', 8, [
          ['high', t.u64, 0],
          ['low', t.u32, 0],
        ]),
        48,
      ],
      ['lock', t.struct('bpf_spin_lock', 4, [['val', t.u32, 0]]), 56],
    ]),
  );
  const declared = struct('event', {
    pointer: u64,
    handle: pointer,
    raw: cstr(8),
    text: array(u8, 8),
    flag: bool,
    kind: u32,
    either: bytes(8),
    high: u64,
    lock: bytes(4),
  });
  checkLayout(declared, btf, id);
});

test('scalars, as keys and values of maps are', () => {
  const { btf, id } = built((t) => t.typedef('__u32', t.u32));
  checkLayout(u32, btf, id);
  expect(check(u64, (t) => t.typedef('__u32', t.u32))).toBe(
    "u64: does not match the object's __u32: __u32 is u64 of 8 bytes as declared, __u32 of 4 bytes in the object\nTo match, declare it as u32",
  );
  expect(check(i64, (t) => t.u64)).toContain(
    'is signed (i64) as declared, unsigned (unsigned long long) in the object',
  );
  expect(check(be16, (t) => t.u32)).toContain('To match, declare it as u32');
  expect(check(struct('s', { a: u32 }), (t) => t.u32)).toContain('To match, declare it as u32');
});

test('what has no declaration is to be used by its name', () => {
  const build = (t: Types): number =>
    t.struct('flags', 4, [
      ['a', t.u32, 0, 3],
      ['b', t.u32, 3, 5],
    ]);
  const message = check(struct('flags', { a: u8, b: u8 }), build);
  expect(message).toContain('field "a" is a bit-field of 3 bits in the object, which no declaration has');
  expect(message).toContain('     0    :3  a: unsigned int');
  expect(message).toContain('Part of it has no declaration; use the object\'s own type by its name, "flags"');
});

test('packed structs are offered as such', () => {
  const message = check(struct('p', { a: u8, b: u64 }), (t) =>
    t.struct('p', 9, [
      ['a', t.u8, 0],
      ['b', t.u64, 1],
    ]),
  );
  expect(message).toContain("declare it as struct('p', { a: u8, b: u64 }, { packed: true })");
});

test('long structs are shown around the difference, hostile names escaped', () => {
  const many = Array.from({ length: 40 }, (_, index) => `field${index}`);
  const build = (t: Types): number =>
    t.struct('\x1b[31m', 164, [
      ...many.map((name, index) => [name, t.u32, index * 4] as const),
      ['\x1b]0;owned\x07', t.u32, 160],
    ]);
  const declared = struct('long', Object.fromEntries(many.map((name) => [name, name === 'field20' ? u16 : u32])));
  const message = check(declared, build);
  // eslint-disable-next-line no-control-regex -- control characters are what this looks for
  expect(message).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  expect(message.split('\n').filter((line) => line.includes('field')).length).toBeLessThan(20);
  expect(message).toContain('>     80     2  field20: u16');
});
