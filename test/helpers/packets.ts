// Packets as they are on the wire, from the inside out: ethernet(ipv4({ source, destination }, tcp(1, 80))).
import { ipOctets } from '../../lib/index.js';

interface Ends {
  readonly source: string;
  readonly destination: string;
}

/** What the number of its protocol is, which the header before it says. */
interface Payload {
  readonly protocol: number;
  readonly bytes: Uint8Array;
}

const headers = { 'hop-by-hop': 0, destination: 60, fragment: 44 } as const;

export function ethernet({ protocol, bytes }: Payload): Uint8Array {
  return concat([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, ...be16(protocol)], bytes);
}

/** A tag of IEEE 802.1Q, or of 802.1ad (0x88a8). */
export function vlan(id: number, { protocol, bytes }: Payload, tagProtocol = 0x8100): Payload {
  return { protocol: tagProtocol, bytes: concat([...be16(id), ...be16(protocol)], bytes) };
}

/** `options` are bytes of no-operations, a multiple of 4; `fragmentOffset` too is in bytes, of 8. */
export function ipv4(
  { source, destination, options = 0, fragmentOffset = 0 }: Ends & { options?: number; fragmentOffset?: number },
  { protocol, bytes }: Payload,
): Payload {
  const header = 20 + options;
  const start = [
    0x40 | (header / 4),
    0,
    ...be16(header + bytes.length),
    0,
    0,
    ...be16(fragmentOffset / 8),
    64,
    protocol,
    0,
    0,
  ];
  return {
    protocol: 0x0800,
    bytes: concat([...start, ...octets(source), ...octets(destination), ...Array<number>(options).fill(1)], bytes),
  };
}

export function ipv6({ source, destination }: Ends, { protocol, bytes }: Payload): Payload {
  const start = [0x60, 0, 0, 0, ...be16(bytes.length), protocol, 64];
  return { protocol: 0x86dd, bytes: concat([...start, ...octets(source), ...octets(destination)], bytes) };
}

/** A header between IPv6 and what it carries, of 16 bytes; that of a fragment has 8. */
export function ipv6Options(kind: keyof typeof headers, { protocol, bytes }: Payload, fragmentOffset = 0): Payload {
  const rest =
    kind === 'fragment' ? [0, ...be16(fragmentOffset), 0, 0, 0, 1] : [1, 1, 12, ...Array<number>(12).fill(0)];
  return { protocol: headers[kind], bytes: concat([protocol, ...rest], bytes) };
}

export function tcp(source: number, destination: number): Payload {
  const rest = [0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 255, 255, 0, 0, 0, 0];
  return { protocol: 6, bytes: concat([...be16(source), ...be16(destination), ...rest]) };
}

export function udp(source: number, destination: number): Payload {
  return { protocol: 17, bytes: concat([...be16(source), ...be16(destination), ...be16(8), 0, 0]) };
}

/** A request for an echo: of ICMP (1) or ICMPv6 (58). */
export function icmp(protocol: 1 | 58): Payload {
  return { protocol, bytes: concat([protocol === 1 ? 8 : 128, 0, 0, 0, 0, 1, 0, 1]) };
}

function octets(address: string): number[] {
  const found = ipOctets(address);
  if (found === undefined) throw new Error(`${address} is no address`);
  return found;
}

function be16(value: number): [number, number] {
  return [value >> 8, value & 0xff];
}

function concat(header: readonly number[], rest: Uint8Array = new Uint8Array()): Uint8Array {
  return new Uint8Array([...header, ...rest]);
}

/** A UDP packet of 64 bytes from 10.99.0.7 to port 9 of every machine. */
export function packet(): Uint8Array {
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  bytes.fill(0xff, 0, 6);
  view.setUint16(12, 0x0800);
  bytes.set([0x45, 0, 0, 50, 0, 0, 0, 0, 64, 17, 0, 0, 10, 99, 0, 7, 255, 255, 255, 255], 14);
  view.setUint16(36, 9);
  view.setUint16(38, 30);
  return bytes;
}
