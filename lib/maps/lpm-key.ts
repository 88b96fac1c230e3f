import { inspect } from 'node:util';

import {
  LayoutCodec,
  bytes,
  hostIsLittleEndian,
  ipOctets,
  ipText,
  u32,
  type EntryCodec,
  type Layout,
  type StructLayout,
} from '../codec/index.js';
import { UsageError, quote } from '../errors/index.js';

import type { MapDetails } from './bpf-map.js';
import { codecByBtf } from './value-types.js';

/** A key of an LPM trie: the first `prefixLength` bits of `data`. */
export interface LpmKey<Data = Uint8Array> {
  /** Bits that count, from the first of `data` on. */
  readonly prefixLength: number;
  readonly data: Data;
}

/** Bytes of the prefix's length, before the data (`struct bpf_lpm_trie_key` in include/uapi/linux/bpf.h). */
const headerSize = 4;

/** IPv4 and IPv6 addresses are data of so many bytes. */
const ipv4Size = 4;
const ipv6Size = 16;

/**
 * Keys of an {@link LpmTrie} whose data has a type of its own, in the byte order that the trie compares: the first byte
 * counts most, so numbers are big-endian (`be32`). With a length instead of a type data are bytes, and where these can be
 * an address, of 4 or 16 bytes, keys are also taken as `'10.0.0.0/8'` or `'2001:db8::/32'`.
 *
 * @example
 * ```js
 * const Place = struct('place', { vlan: be16, address: be32 });
 * const routes = await LpmTrie.create({ key: lpmKey(Place), value: u32, maxEntries: 100 });
 * routes.set({ prefixLength: 24, data: { vlan: 7, address: 0x0a000000 } }, 1);
 * ```
 */
export function lpmKey(length: number): EntryCodec<LpmKey, LpmKey<Uint8Array | readonly number[]> | string>;
export function lpmKey<Data, DataInput = Data>(
  data: EntryCodec<Data, DataInput>,
): EntryCodec<LpmKey<Data>, LpmKey<DataInput>>;
export function lpmKey(type: number | EntryCodec<unknown>): EntryCodec<LpmKey<unknown>, LpmKey<unknown> | string> {
  const data: EntryCodec<unknown> = typeof type === 'number' ? bytes(type) : type;
  // Only data that are bytes are known to be what an address is written as.
  return keyCodec(data, typeof type === 'number' ? `LPM key of ${type} bytes` : `LPM key of ${data.typeName}`);
}

/** Keys of an {@link LpmTrie} that are IPv4 networks, `'10.0.0.0/8'`; without a length they are a single address. */
export const ipv4Prefix: EntryCodec<string> = addressCodec('IPv4 network', ipv4Size);

/** Keys of an {@link LpmTrie} that are IPv6 networks, `'2001:db8::/32'`; without a length they are a single address. */
export const ipv6Prefix: EntryCodec<string> = addressCodec('IPv6 network', ipv6Size);

function keyCodec(data: EntryCodec<unknown>, typeName: string): EntryCodec<LpmKey<unknown>, LpmKey<unknown> | string> {
  const isAddress = data.layout?.kind === 'bytes' && (data.size === ipv4Size || data.size === ipv6Size);
  return {
    typeName,
    size: headerSize + data.size,
    decode(view, offset) {
      const prefixLength = view.getUint32(offset, hostIsLittleEndian);
      return { prefixLength, data: data.decode(view, offset + headerSize) };
    },
    encode(key, view, offset, path = 'key') {
      if (typeof key === 'string') {
        if (!isAddress) {
          throw UsageError.invalidValue(
            path,
            `must be { prefixLength, data }, not ${quote(key)}: ${data.size} bytes of data are no address`,
          );
        }
        writeAddress(key, data.size, view, offset, path);
        return;
      }
      const { prefixLength, data: value } = keyParts(key, path);
      requirePrefix(prefixLength, data.size * 8, `${path}.prefixLength`);
      view.setUint32(offset, prefixLength, hostIsLittleEndian);
      data.encode(value, view, offset + headerSize, `${path}.data`);
    },
  };
}

function keyParts(key: unknown, path: string): { prefixLength: number; data: unknown } {
  const known = typeof key === 'object' && key !== null && !Array.isArray(key) && !ArrayBuffer.isView(key);
  if (!known) throw UsageError.invalidValue(path, `must be { prefixLength, data } or an address, not ${inspect(key)}`);
  for (const name of Object.keys(key)) {
    if (name !== 'prefixLength' && name !== 'data') {
      throw UsageError.invalidValue(`${path}.${name}`, 'a key of an LPM trie has prefixLength and data only');
    }
  }
  return key as { prefixLength: number; data: unknown };
}

function requirePrefix(value: unknown, most: number, path: string): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most) return;
  const problem = value === undefined ? 'missing, expected' : 'must be';
  throw UsageError.invalidValue(
    path,
    `${problem} a prefix length from 0 to ${most}${value === undefined ? '' : `, not ${inspect(value)}`}`,
  );
}

function addressCodec(typeName: string, size: number): EntryCodec<string> {
  return {
    typeName,
    size: headerSize + size,
    decode(view, offset) {
      const prefixLength = view.getUint32(offset, hostIsLittleEndian);
      const octets = new Uint8Array(view.buffer, view.byteOffset + offset + headerSize, size);
      return `${ipText(octets)}/${prefixLength}`;
    },
    encode(key, view, offset, path = 'key') {
      if (typeof key !== 'string') {
        throw UsageError.invalidValue(path, `must be a string such as ${example(size)}, not ${inspect(key)}`);
      }
      writeAddress(key, size, view, offset, path);
    },
  };
}

function example(size: number): string {
  return size === ipv4Size ? "'10.0.0.0/8'" : "'2001:db8::/32'";
}

function writeAddress(text: string, size: number, view: DataView, offset: number, path: string): void {
  const [, address = '', length] = /^([^/]*)(?:\/(\d{1,3}))?$/u.exec(text) ?? [];
  const octets = ipOctets(address);
  if (octets?.length !== size) {
    const family = size === ipv4Size ? 4 : 6;
    throw UsageError.invalidValue(path, `must be an IPv${family} network such as ${example(size)}, not ${quote(text)}`);
  }
  const prefixLength = length === undefined ? size * 8 : Number(length);
  requirePrefix(prefixLength, size * 8, path);
  view.setUint32(offset, prefixLength, hostIsLittleEndian);
  for (const [index, octet] of octets.entries()) view.setUint8(offset + headerSize + index, octet);
}

/**
 * The codec of keys that no type was declared for. By BTF the data are what follows the prefix's length: a struct when that
 * is one or has several members, else bytes. Without BTF they are bytes.
 * @internal
 */
export function defaultLpmKey({ types, keySize }: MapDetails): EntryCodec<unknown> {
  const size = keySize - headerSize;
  const { layout } = codecByBtf(types, types.keyType, keySize);
  const data = layout.kind === 'struct' && layout.size === keySize ? dataLayout(layout) : undefined;
  return data === undefined ? lpmKey(size) : lpmKey(new LayoutCodec<unknown>(data));
}

/** The part of a key's struct behind the prefix's length, when that is more than bytes. */
function dataLayout(key: StructLayout): StructLayout | undefined {
  const members = key.members.filter(({ offset }) => offset >= headerSize);
  const [first] = members;
  if (first === undefined) return undefined;
  if (members.length === 1 && first.name !== undefined) {
    const isWhole = first.offset === headerSize && first.layout.size === key.size - headerSize;
    return isWhole && first.layout.kind === 'struct' ? first.layout : undefined;
  }
  return {
    ...key,
    size: key.size - headerSize,
    members: members.map(({ bits, ...member }) => ({
      ...member,
      offset: member.offset - headerSize,
      bits: bits === undefined ? undefined : { ...bits, offset: bits.offset - headerSize * 8 },
    })),
  };
}

/** Keys of which only the bytes are told, the prefix's length included. @internal */
export function lpmKeyOfSize(size: number): EntryCodec<unknown> {
  if (size > headerSize) return lpmKey(size - headerSize);
  throw UsageError.invalidValue(
    'keySize',
    `must be more than the ${headerSize} bytes of the prefix length, not ${size}`,
  );
}

/** How BTF describes keys: the kernel wants a struct (`trie_check_btf` in kernel/bpf/lpm_trie.c). @internal */
export function lpmKeyLayout(size: number): StructLayout {
  const length = size - headerSize;
  const data: Layout = { kind: 'bytes', typeName: '', size: length, alignment: 1, length, flexible: false };
  return {
    kind: 'struct',
    typeName: 'struct lpm_key',
    size,
    alignment: 4,
    members: [
      { name: 'prefixlen', offset: 0, layout: u32.layout, bits: undefined },
      { name: 'data', offset: headerSize, layout: data, bits: undefined },
    ],
  };
}
