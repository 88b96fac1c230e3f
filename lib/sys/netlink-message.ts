import { ByteReader, ByteWriter, hostIsLittleEndian as littleEndian } from '../binary/index.js';
import type { Handle } from './handle.js';

// include/uapi/linux/netlink.h. All numbers are in the machine's byte order.

const HEADER_SIZE = 16;
const ATTRIBUTE_HEADER_SIZE = 4;
const ALIGNMENT = 4;

/** NLA_F_NESTED: what newer requests want to see in the type of attributes that hold others. */
export const NETLINK_NESTED = 0x8000;
/** NLA_F_NESTED and NLA_F_NET_BYTEORDER: bits beside an attribute's type. */
const TYPE_MASK = 0x3fff;

/** Message types that every netlink protocol has. */
export const NetlinkType = { ERROR: 2, DONE: 3 } as const;

/** Flags of a request. DUMP asks for all there is, CREATE and EXCL are of requests that make something. */
export const NetlinkFlag = {
  REQUEST: 1,
  ACK: 4,
  ECHO: 8,
  REPLACE: 0x100,
  EXCL: 0x200,
  DUMP: 0x300,
  CREATE: 0x400,
} as const;

/** Flags of an NLMSG_ERROR: whether the request is left out, and whether attributes follow. */
const ErrorFlag = { CAPPED: 0x100, ACK_TLVS: 0x200 } as const;
/** NLMSGERR_ATTR_MSG: a sentence. */
const ERROR_SENTENCE = 1;

const noBytes = new Uint8Array(0);

/** One request, written front to back: the fixed part of its type, then attributes. */
export class NetlinkRequest {
  readonly #writer = new ByteWriter({ littleEndian });
  readonly #open: number[] = [];
  readonly #patches: number[] = [];

  constructor(type: number, flags: number) {
    this.#writer
      .u32(0)
      .u16(type)
      .u16(flags | NetlinkFlag.REQUEST | NetlinkFlag.ACK)
      .u32(1)
      .u32(0);
  }

  /** Numbers of the fixed part, by their sizes in bytes. */
  fixed(...numbers: readonly (readonly [value: number, size: 1 | 2 | 4])[]): this {
    for (const [value, size] of numbers) {
      if (size === 1) this.#writer.u8(value);
      else if (size === 2) this.#writer.u16(value);
      else this.#writer.u32(value);
    }
    return this;
  }

  bytes(type: number, value: Uint8Array): this {
    this.begin(type).#writer.append(value);
    return this.end();
  }

  u16(type: number, value: number): this {
    this.begin(type).#writer.u16(value);
    return this.end();
  }

  u32(type: number, value: number): this {
    this.begin(type).#writer.u32(value);
    return this.end();
  }

  /** A string with its NUL. */
  string(type: number, value: string): this {
    return this.bytes(type, Buffer.from(`${value}\0`, 'utf8'));
  }

  /** The descriptor of a handle, filled in by the addon. */
  descriptor(type: number, handle: Handle): this {
    this.begin(type);
    this.#patches.push(0, this.#writer.length, 0, handle.token);
    this.#writer.u32(0);
    return this.end();
  }

  /** Begins an attribute that holds others, up to {@link end}. */
  begin(type: number): this {
    this.#open.push(this.#writer.length);
    this.#writer.u16(0).u16(type);
    return this;
  }

  end(): this {
    const start = this.#open.pop() ?? 0;
    this.#writer.setU16(start, this.#writer.length - start).align(ALIGNMENT);
    return this;
  }

  /** The message, and the places of its descriptors as the addon wants them. */
  finish(): { readonly message: Uint8Array; readonly patches: Float64Array } {
    this.#writer.setU32(0, this.#writer.length);
    return { message: this.#writer.toBytes(), patches: Float64Array.from(this.#patches) };
  }
}

/** A message of an answer. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  /** What follows the header. */
  readonly payload: Uint8Array;
}

/** The messages of a datagram. Throws ObjectFormatError when it is not made of whole messages. */
export function parseMessages(datagram: Uint8Array): NetlinkMessage[] {
  const reader = readerOf(datagram);
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at + HEADER_SIZE <= reader.length;) {
    const length = reader.u32(at);
    if (length < HEADER_SIZE) throw reader.error(`a message of ${length} bytes is shorter than its header`, at);
    const payload = reader.slice(at + HEADER_SIZE, length - HEADER_SIZE);
    messages.push({ type: reader.u16(at + 4), flags: reader.u16(at + 6), payload });
    at += aligned(length);
  }
  return messages;
}

/** The attributes of a message's payload after its fixed part of `fixedSize` bytes, the last of each type. */
export function parseAttributes(payload: Uint8Array, fixedSize: number): Map<number, Uint8Array> {
  const reader = readerOf(payload);
  const attributes = new Map<number, Uint8Array>();
  for (let at = aligned(fixedSize); at + ATTRIBUTE_HEADER_SIZE <= reader.length;) {
    const length = reader.u16(at);
    if (length < ATTRIBUTE_HEADER_SIZE) throw reader.error(`an attribute of ${length} bytes is too short`, at);
    const value = reader.slice(at + ATTRIBUTE_HEADER_SIZE, length - ATTRIBUTE_HEADER_SIZE);
    attributes.set(reader.u16(at + 2) & TYPE_MASK, value);
    at += aligned(length);
  }
  return attributes;
}

/** What an NLMSG_ERROR says: 0 or a negative errno, with the kernel's sentence where it has one. */
export function parseError({ flags, payload }: NetlinkMessage): { errno: number; sentence: string | undefined } {
  const reader = readerOf(payload);
  const errno = reader.i32(0);
  if ((flags & ErrorFlag.ACK_TLVS) === 0) return { errno, sentence: undefined };
  const request = (flags & ErrorFlag.CAPPED) === 0 ? reader.u32(4) : HEADER_SIZE;
  const sentence = parseAttributes(payload, 4 + aligned(request)).get(ERROR_SENTENCE);
  return { errno, sentence: sentence === undefined ? undefined : attributeText(sentence) };
}

export function attributeText(value: Uint8Array | undefined): string {
  const bytes = value ?? noBytes;
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString('utf8');
}

export function attributeU32(value: Uint8Array | undefined): number | undefined {
  return value === undefined || value.byteLength < 4 ? undefined : readerOf(value).u32(0);
}

/** A reader of a message's bytes. */
export function readerOf(bytes: Uint8Array): ByteReader {
  return new ByteReader(bytes, { littleEndian, object: 'netlink' });
}

function aligned(length: number): number {
  return Math.ceil(length / ALIGNMENT) * ALIGNMENT;
}
