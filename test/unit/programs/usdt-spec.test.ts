import { encodeUsdtSpec, usdtSpecSize } from '../../../lib/programs/usdt-spec.js';
import { parseUsdtArguments } from '../../../lib/user-space/index.js';

/** EM_X86_64 */
const machine = 62;
const little = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** What a program reads of an argument: the offset, the type with its index and scale, the register, sign and shift. */
function argument(bytes: Uint8Array, index: number): unknown[] {
  const view = new DataView(bytes.buffer, index * 16);
  const bits = view.getUint32(8, little);
  const [type, second, scale] = little
    ? [bits & 0xff, (bits >> 8) & 0xfff, (bits >> 20) & 0xf]
    : [bits & 0xff, (bits >> 12) & 0xfff, (bits >> 8) & 0xf];
  return [
    view.getBigInt64(0, little),
    type,
    second,
    scale,
    view.getInt16(12, little),
    view.getUint8(14),
    view.getUint8(15),
  ];
}

function encode(text: string, cookie = 0n): Uint8Array {
  const variable = (): undefined => undefined;
  return encodeUsdtSpec(parseUsdtArguments(text, { machine, address: 0, variable }), cookie);
}

test('a spec is laid out as libbpf lays out struct __bpf_usdt_spec', () => {
  expect(usdtSpecSize).toBe(208);
  const bytes = encode('-4@$-7 8@%rdi -1@-4(%rsp) 2@8(%rdx,%rcx,4) 8@%xmm0', 1n << 63n);
  expect([0, 1, 2, 3, 4, 5].map((index) => argument(bytes, index))).toEqual([
    [-7n, 0, 0, 0, 0, 1, 32],
    [0n, 1, 0, 0, 112, 0, 0],
    [-4n, 2, 0, 0, 152, 1, 56],
    [8n, 3, 88, 2, 96, 0, 48],
    // A type that no version knows: bpf_usdt_arg refuses it.
    [0n, 0xff, 0, 0, 0, 0, 0],
    [0n, 0, 0, 0, 0, 0, 0],
  ]);
  const view = new DataView(bytes.buffer);
  expect(view.getBigUint64(192, little)).toBe(1n << 63n);
  expect(view.getInt16(200, little)).toBe(5);
});

test('of more than twelve arguments the first twelve can be read', () => {
  const bytes = encode(Array.from({ length: 14 }, (_, index) => `8@$${index}`).join(' '));
  expect(new DataView(bytes.buffer).getInt16(200, little)).toBe(12);
  expect(argument(bytes, 11)).toEqual([11n, 0, 0, 0, 0, 0, 0]);
});
