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

// Checked by tsc: a wrong type here fails the build, whatever the tests below say.

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function assertType<_Holds extends true>(): void {
  // Its type parameter is the assertion.
}

const Exec = struct('event', { ts: u64, pid: u32, comm: cstr(16) });

assertType<Same<Infer<typeof Exec>, { ts: bigint; pid: number; comm: string }>>();
assertType<
  Same<
    InferInput<typeof Exec>,
    { readonly ts: bigint | number; readonly pid: number; readonly comm: string | Uint8Array }
  >
>();

const fields = { ts: u64, open: bool } as const;
assertType<Same<Infer<ReturnType<typeof struct<typeof fields>>>, { ts: bigint; open: boolean }>>();

const Nested = struct('nested', {
  exec: Exec,
  list: array(Exec, 4),
  matrix: array(array(u8, 3), 3),
  mac: bytes(6),
  count: u64.asNumber,
  id: i64.asString,
  task: pointer,
});
assertType<
  Same<
    Infer<typeof Nested>,
    {
      exec: { ts: bigint; pid: number; comm: string };
      list: { ts: bigint; pid: number; comm: string }[];
      matrix: number[][];
      mac: Uint8Array;
      count: number;
      id: string;
      task: bigint;
    }
  >
>();

assertType<Same<Infer<typeof u64>, bigint>>();
assertType<Same<Infer<typeof u64.asNumber>, number>>();
assertType<Same<Infer<Codec<unknown>>, unknown>>();
assertType<Same<Infer<string>, never>>();

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
