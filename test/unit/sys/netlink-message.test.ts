import { endianness } from 'node:os';

import { ObjectFormatError } from '../../../lib/errors/index.js';
import {
  attributeText,
  attributeU32,
  NetlinkFlag,
  NetlinkRequest,
  NetlinkType,
  parseAttributes,
  parseError,
  parseMessages,
} from '../../../lib/sys/netlink-message.js';

const littleEndian = endianness() === 'LE';

/** A message by hand: header, then 32-bit words and bytes. */
function message(type: number, flags: number, ...parts: readonly (number | string)[]): Uint8Array {
  const payload = Buffer.concat(
    parts.map((part) => {
      if (typeof part === 'string') return Buffer.from(part, 'latin1');
      return Buffer.from(Int32Array.of(part).buffer);
    }),
  );
  const bytes = new Uint8Array(16 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, littleEndian);
  view.setUint16(4, type, littleEndian);
  view.setUint16(6, flags, littleEndian);
  bytes.set(payload, 16);
  return bytes;
}

/** An attribute's header. */
function attribute(length: number, type: number): number {
  return new Int32Array(Uint16Array.of(length, type).buffer)[0] ?? 0;
}

test('a request has its header, fixed part and padded attributes', () => {
  const { message: bytes, patches } = new NetlinkRequest(18, NetlinkFlag.DUMP)
    .fixed([1, 1], [2, 1], [3, 2], [4, 4])
    .string(3, 'lo')
    .begin(2)
    .u32(8, 5)
    .end()
    .finish();
  expect(patches).toHaveLength(0);
  expect(bytes).toHaveLength(44);
  const [{ type, flags, payload } = { type: 0, flags: 0, payload: bytes }, ...more] = parseMessages(bytes);
  expect(more).toEqual([]);
  expect([type, flags]).toEqual([18, NetlinkFlag.REQUEST | NetlinkFlag.ACK | NetlinkFlag.DUMP]);
  expect([...payload.subarray(0, 2)]).toEqual([1, 2]);
  const attributes = parseAttributes(payload, 8);
  expect(attributeText(attributes.get(3))).toBe('lo');
  expect(attributeU32(parseAttributes(attributes.get(2) ?? bytes, 0).get(8))).toBe(5);
});

test('a datagram has several messages, each padded to four bytes', () => {
  const odd = message(16, 2, 'abcde');
  const both = Buffer.concat([odd, new Uint8Array(3), message(NetlinkType.DONE, 2, 0)]);
  expect(parseMessages(both).map(({ type, payload }) => [type, payload.length])).toEqual([
    [16, 5],
    [NetlinkType.DONE, 4],
  ]);
});

describe('an error', () => {
  const CAPPED = 0x100;
  const ACK_TLVS = 0x200;
  const [requestLength, rest] = [24, [0, 0, 0] as const];

  test('is a number', () => {
    const [acknowledged, refused] = [message(2, 0, 0, 16, ...rest), message(2, 0, -19, 16, ...rest)].map(
      (bytes) => parseMessages(bytes)[0],
    );
    expect(acknowledged && parseError(acknowledged)).toEqual({ errno: 0, sentence: undefined });
    expect(refused && parseError(refused)).toEqual({ errno: -19, sentence: undefined });
  });

  test('may have a sentence, behind the request or its header alone', () => {
    const sentence = [attribute(9, 1), 'why\n\0'] as const;
    const capped = message(2, CAPPED | ACK_TLVS, -22, requestLength, ...rest, ...sentence);
    const whole = message(2, ACK_TLVS, -22, requestLength, ...rest, 0, 0, ...sentence);
    for (const bytes of [capped, whole]) {
      const [first] = parseMessages(bytes);
      expect(first && parseError(first)).toEqual({ errno: -22, sentence: 'why\n' });
    }
  });
});

test('what is cut short or too short is refused, with a place', () => {
  const good = message(16, 0, 1, attribute(8, 3), 7);
  for (let length = 16; length < good.length; length++) {
    expect(() => parseMessages(good.subarray(0, length))).toThrow(ObjectFormatError);
  }
  expect(parseMessages(good.subarray(0, 15))).toEqual([]);
  const short = message(16, 0);
  new DataView(short.buffer).setUint32(0, 15, littleEndian);
  expect(() => parseMessages(short)).toThrow(/a message of 15 bytes is shorter than its header/u);
  const attributes = (first: number): Uint8Array => new Uint8Array(Int32Array.of(first, 0).buffer);
  expect(() => parseAttributes(attributes(attribute(3, 1)), 0)).toThrow(/an attribute of 3 bytes is too short/u);
  expect(() => parseAttributes(attributes(attribute(9, 1)), 0)).toThrow(ObjectFormatError);
  expect(attributeU32(new Uint8Array(3))).toBeUndefined();
  expect(attributeText(undefined)).toBe('');
});
