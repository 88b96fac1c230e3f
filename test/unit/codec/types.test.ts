import {
  array,
  bool,
  bytes,
  cstr,
  i64,
  pointer,
  struct,
  u32,
  u64,
  u8,
  type Codec,
  type Infer,
  type InferInput,
} from '../../../lib/codec/index.js';

// The annotations of `holds` are checked by tsc: a type that is not the same makes a `true` there an error.

/* eslint-disable @typescript-eslint/no-unnecessary-type-parameters -- how exact equality of types is written */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/* eslint-enable @typescript-eslint/no-unnecessary-type-parameters */

const Exec = struct('event', { ts: u64, pid: u32, comm: cstr(16) });
const Short = struct('short', { ts: u64, open: bool } as const);
const Nested = struct('nested', {
  exec: Exec,
  list: array(Exec, 4),
  matrix: array(array(u8, 3), 3),
  mac: bytes(6),
  count: u64.asNumber,
  id: i64.asString,
  task: pointer,
});

interface NestedValue {
  exec: { ts: bigint; pid: number; comm: string };
  list: { ts: bigint; pid: number; comm: string }[];
  matrix: number[][];
  mac: Uint8Array;
  count: number;
  id: string;
  task: bigint;
}

const holds: [
  Same<Infer<typeof Exec>, { ts: bigint; pid: number; comm: string }>,
  Same<
    InferInput<typeof Exec>,
    { readonly ts: bigint | number; readonly pid: number; readonly comm: string | Uint8Array }
  >,
  Same<Infer<typeof Short>, { ts: bigint; open: boolean }>,
  Same<Infer<typeof Nested>, { [Name in keyof NestedValue]: NestedValue[Name] }>,
  Same<Infer<typeof u64>, bigint>,
  Same<Infer<typeof u64.asNumber>, number>,
  Same<Infer<Codec<unknown>>, unknown>,
  Same<Infer<string>, never>,
] = [true, true, true, true, true, true, true, true];

test('values have the types that are inferred for them', () => {
  expect(holds.every(Boolean)).toBe(true);
  const view = new DataView(new ArrayBuffer(Nested.size));
  const { exec, list, matrix, mac, count, id, task }: NestedValue = Nested.decode(view, 0);
  expect([typeof exec.ts, typeof exec.pid, typeof exec.comm]).toEqual(['bigint', 'number', 'string']);
  expect([list.length, matrix, mac.length]).toEqual([
    4,
    [
      [0, 0, 0],
      [0, 0, 0],
      [0, 0, 0],
    ],
    6,
  ]);
  expect([count, id, task]).toEqual([0, '0', 0n]);
  expect(Short.decode(view, 0)).toEqual({ ts: 0n, open: false });
});

test('a typed codec goes wherever an untyped one does', () => {
  const any: Codec<unknown> = Exec;
  const view = new DataView(new ArrayBuffer(any.size));
  const frozen = Object.freeze({ ts: 1, pid: 2, comm: 'bash' } as const);
  Exec.encode(frozen, view, 0);
  const value: { ts: bigint; pid: number; comm: string } = Exec.decode(view, 0);
  expect(value).toEqual({ ts: 1n, pid: 2, comm: 'bash' });
});

test('what the types forbid is refused at run time too', () => {
  const view = new DataView(new ArrayBuffer(Exec.size));
  // @ts-expect-error -- a field is missing
  expect(() => Exec.encode({ ts: 1n, pid: 2 }, view, 0)).toThrow('value.comm: missing');
  // @ts-expect-error -- a field is unknown
  expect(() => Exec.encode({ ts: 1n, pid: 2, comm: 'x', uid: 3 }, view, 0)).toThrow('value.uid: struct event has no');
  // @ts-expect-error -- a field has another type
  expect(() => Exec.encode({ ts: 1n, pid: '2', comm: 'x' }, view, 0)).toThrow('value.pid: expected');
  // @ts-expect-error -- not a codec
  expect(() => struct('event', { pid: 4 })).toThrow('field pid: expected a type');
});
