import { UsdtSpecFormat } from '../../../lib/programs/usdt-spec.js';
import { parseUsdtArguments } from '../../../lib/user-space/index.js';

/** EM_X86_64 */
const machine = 62;
const little = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
const UNREADABLE = 0xff;

const [older, newer] = UsdtSpecFormat.all;

interface Argument {
  readonly offset: bigint;
  readonly type: number;
  readonly register: number;
  readonly signed: number;
  readonly shift: number;
  /** The second register, and the exponent of what it is multiplied by. */
  readonly index?: readonly [register: number, scale: number];
}

/** As the structure was until libbpf 1.6: 16 bytes, the type an enum of four. */
function readOlder(view: DataView, at: number): Argument {
  return {
    offset: view.getBigInt64(at, little),
    type: view.getUint32(at + 8, little),
    register: view.getInt16(at + 12, little),
    ...{ signed: view.getUint8(at + 14), shift: view.getUint8(at + 15) },
  };
}

/** As clang lays it out since libbpf 1.7: 24 bytes; `bpftool btf dump` of an object that includes the header says where. */
function readNewer(view: DataView, at: number): Argument {
  const bits = view.getUint16(at + 10, little);
  return {
    offset: view.getBigInt64(at, little),
    type: view.getUint8(at + (little ? 8 : 12)),
    register: view.getInt16(at + 14, little),
    ...{ signed: view.getUint8(at + 16), shift: view.getUint8(at + 17) },
    index: little ? [bits & 0xfff, bits >> 12] : [bits >> 4, bits & 0xf],
  };
}

function encode(format: UsdtSpecFormat | undefined, text: string, cookie = 0n): DataView {
  const variable = (): undefined => undefined;
  const bytes = format?.encode(parseUsdtArguments(text, { machine, address: 0, variable }), cookie);
  if (bytes === undefined) throw new Error('there is no such format');
  return new DataView(bytes.buffer);
}

const text = '-4@$-7 8@%rdi -1@-4(%rsp) 2@8(%rdx,%rcx,4) 8@%xmm0';
const six = [0, 1, 2, 3, 4, 5];
/** Members that are not said are zero. */
const filled = (given: Partial<Argument>): Argument => ({
  ...{ offset: 0n, type: 0, register: 0, signed: 0, shift: 0 },
  ...given,
});
const common = [
  filled({ offset: -7n, type: 0, signed: 1, shift: 32 }),
  filled({ type: 1, register: 112 }),
  filled({ offset: -4n, type: 2, register: 152, signed: 1, shift: 56 }),
];

test('a spec is laid out as libbpf laid out struct __bpf_usdt_spec until 1.6', () => {
  expect(older?.size).toBe(208);
  const view = encode(older, text, 1n << 63n);
  expect(six.map((index) => readOlder(view, index * 16))).toEqual([
    ...common,
    // A program that was compiled with it knows no arguments by two registers: it is to say so, not to read something else.
    filled({ offset: 8n, type: UNREADABLE, register: 96, shift: 48 }),
    filled({ type: UNREADABLE }),
    filled({}),
  ]);
  expect(view.getBigUint64(192, little)).toBe(1n << 63n);
  expect(view.getInt16(200, little)).toBe(5);
});

test('and as it does since 1.7, with arguments by two registers', () => {
  expect(newer?.size).toBe(304);
  const view = encode(newer, text, 1n << 63n);
  const none = [0, 0] as const;
  expect(six.map((index) => readNewer(view, index * 24))).toEqual([
    ...common.map((each) => ({ ...each, index: none })),
    filled({ offset: 8n, type: 3, register: 96, shift: 48, index: [88, 2] }),
    filled({ type: UNREADABLE, index: none }),
    filled({ index: none }),
  ]);
  expect(view.getBigUint64(288, little)).toBe(1n << 63n);
  expect(view.getInt16(296, little)).toBe(5);
});

test.each(UsdtSpecFormat.all.map((format) => [format.size, format] as const))(
  'of more than twelve arguments the first twelve can be read, in %i bytes',
  (size, format) => {
    const view = encode(format, Array.from({ length: 14 }, (_, index) => `8@$${index}`).join(' '));
    expect(view.byteLength).toBe(size);
    expect(view.getInt16(size - 8, little)).toBe(12);
    expect(view.getBigInt64(((size - 16) / 12) * 11, little)).toBe(11n);
  },
);
