// The rules' file: a line is a rule, in words. What a rule becomes in the kernel is filter.ts.
import { ipOctets } from 'node-ebpf';

export type Direction = 'in' | 'out';

/** What one line of the file says. */
export interface Rule {
  /** The rule in the words of its line, by which it is known. */
  readonly text: string;
  readonly line: number;
  readonly action: 'allow' | 'deny' | 'limit';
  readonly direction: Direction;
  /** The address of the other side: 16 bytes, IPv4 as ::ffff:10.0.0.1, of which so many bits count. */
  readonly address: Buffer;
  readonly bits: number;
  /** Protocols by number; 0 is any. */
  readonly protocols: readonly number[];
  /** Destination ports; 0 is any. */
  readonly ports: readonly number[];
  /** Packets a second from each address, of an action `limit`, and how many may come at once. */
  readonly rate: number;
  readonly burst: number;
}

/** A line that is no rule. */
export class RuleError extends Error {
  override name = 'RuleError';
}

const protocols: Readonly<Record<string, readonly number[]>> = { icmp: [1, 58], tcp: [6], udp: [17], sctp: [132] };
/** A range of ports is as many entries of the kernel's table. */
const mostPorts = 1024;

const form = /^(?:(allow|deny)|limit (\d+)\/s(?: burst (\d+))?) (in|out) (\S+)(?: ([a-z]+|\d+)(?: (\d+(?:-\d+)?))?)?$/u;
const any = [0];

/**
 * The rules of a text. Each line is one:
 *
 *     allow in 10.0.0.0/8 tcp 22
 *     deny out 2001:db8::/32
 *     limit 100/s burst 20 in any udp 53
 *
 * In any order: of the rules that fit a packet the one with the longest network counts, of equals the one that names a
 * port, then the one that names a protocol. What no rule fits is allowed; `deny in any` changes that.
 */
export function parseRules(text: string, name = 'rules'): Rule[] {
  const rules: Rule[] = [];
  const byNetwork = new Map<string, Rule[]>();
  let number = 0;
  const refuse = (problem: string): never => {
    throw new RuleError(`${name}:${number}: ${problem}`);
  };
  for (const whole of text.split('\n')) {
    number++;
    const line = wordsOf(whole);
    if (line === '') continue;
    const rule = parseRule(line, number, refuse);
    rules.push(rule);
    const network = `${rule.direction} ${rule.bits} ${rule.address.toString('latin1')}`;
    const others = byNetwork.get(network);
    if (others === undefined) byNetwork.set(network, [rule]);
    else {
      const twin = others.find((other) => overlap(other, rule));
      if (twin !== undefined) refuse(`line ${twin.line} already says what happens to these packets`);
      others.push(rule);
    }
  }
  return rules;
}

/** The line without a comment, its words with one space between them. */
function wordsOf(line: string): string {
  const comment = line.indexOf('#');
  const text = (comment < 0 ? line : line.slice(0, comment)).trim();
  return /\s\s|[^\S ]/u.test(text) ? text.replace(/\s+/gu, ' ') : text;
}

function parseRule(text: string, line: number, refuse: (problem: string) => never): Rule {
  const words = form.exec(text);
  if (words === null) {
    const wanted = 'allow|deny|limit N/s [burst N] in|out NETWORK|any [PROTOCOL [PORT[-PORT]]]';
    return refuse(`${JSON.stringify(text)} is not "${wanted}"`);
  }
  const [, action = 'limit', rate = '0', burst = '1', direction, network = '', protocol, ports] = words;
  const [address, bits] = network === 'any' ? [Buffer.alloc(16), 0] : parseNetwork(network, refuse);
  const numbers = protocol === undefined ? any : (protocols[protocol] ?? [Number(protocol)]);
  if (!numbers.every((number) => number < 256)) refuse(`protocol ${JSON.stringify(protocol)} is not known`);
  if (action === 'limit' && Number(rate) === 0) refuse('a limit of 0 packets is "deny"');
  return {
    text,
    line,
    action: action as Rule['action'],
    direction: direction as Direction,
    address,
    bits,
    protocols: numbers,
    ports: ports === undefined ? any : parsePorts(ports, refuse),
    rate: Number(rate),
    burst: Number(burst),
  };
}

function parseNetwork(network: string, refuse: (problem: string) => never): [Buffer, number] {
  const slash = network.indexOf('/');
  const text = slash < 0 ? network : network.slice(0, slash);
  const octets = ipOctets(text) ?? refuse(`${JSON.stringify(text)} is no IPv4 or IPv6 address`);
  const all = octets.length * 8;
  const bits = slash < 0 ? all : Number(/^\d+$/u.exec(network.slice(slash + 1)) ?? NaN);
  if (!(bits <= all)) refuse(`the network's length is a number up to /${all}`);
  // Of Node's pool: an allocation of its own for each costs more than all the rest.
  const address = Buffer.allocUnsafe(16).fill(0);
  for (const [index, octet] of octets.entries()) address[16 - octets.length + index] = octet;
  if (octets.length === 4) address.fill(0xff, 10, 12);
  const counting = 128 - all + bits;
  for (let bit = counting; bit < 128; bit++) {
    if (((address[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1) refuse(`${network} has bits behind its length`);
  }
  return [address, counting];
}

function parsePorts(text: string, refuse: (problem: string) => never): number[] {
  const dash = text.indexOf('-');
  const first = Number(dash < 0 ? text : text.slice(0, dash));
  const last = dash < 0 ? first : Number(text.slice(dash + 1));
  if (first < 1 || last > 65_535 || last < first) refuse(`${text} is no port or range of ports`);
  if (last - first >= mostPorts) refuse(`${text} are more than ${mostPorts} ports`);
  return first === last ? [first] : Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** Whether two rules for one network have an entry in common. */
function overlap(one: Rule, other: Rule): boolean {
  const common = (some: readonly number[], others: readonly number[]): boolean =>
    some.some((item) => others.includes(item));
  return common(one.protocols, other.protocols) && common(one.ports, other.ports);
}
