// The rules' file: a line is a rule, in words. What a rule becomes in the kernel is filter.ts.
import { EbpfError, ipNetwork, type IpNetwork } from 'node-ebpf';

export type Direction = 'in' | 'out';

/** What one line of the file says. */
export interface Rule {
  /** The rule in the words of its line, by which it is known. */
  readonly text: string;
  readonly line: number;
  readonly action: 'allow' | 'deny' | 'limit';
  readonly direction: Direction;
  /** Addresses of the other side; `any` are 16 octets of which none counts. */
  readonly network: IpNetwork;
  /** Protocols by number; 0 is any. */
  readonly protocols: readonly number[];
  /** Destination ports; 0 is any. */
  readonly ports: readonly number[];
  /** Packets a second from each address, of an action `limit`, and how many may come at once. */
  readonly rate: number;
  readonly burst: number;
  /** The rule for the same network that a line before it has. */
  readonly before: Rule | undefined;
}

/** A line that is no rule. */
export class RuleError extends Error {
  override name = 'RuleError';
}

const protocols: Readonly<Record<string, readonly number[]>> = { icmp: [1, 58], tcp: [6], udp: [17], sctp: [132] };
/** A range of ports is as many entries of the kernel's table. */
const mostPorts = 1024;

const form = /^(?:(allow|deny)|limit (\d+)\/s(?: burst (\d+))?) (in|out) (\S+)(?: ([a-z]+|\d+)(?: (\d+(?:-\d+)?))?)?$/u;
/** What is before an IPv4 address that is written as one of IPv6: ::ffff:10.0.0.1. */
export const ipv4Mapped: readonly number[] = [...Array<number>(10).fill(0), 0xff, 0xff];
export const mappedBits = 96;

/** Whether 16 octets are an IPv4 address. */
export function isIpv4(octets: ArrayLike<number>): boolean {
  return ipv4Mapped.every((octet, index) => octets[index] === octet);
}

const any = [0];
const everybody: IpNetwork = { octets: Array<number>(16).fill(0), prefixLength: 0 };

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
  const last = new Map<string | number, Rule>();
  let number = 0;
  const refuse = (problem: string): never => {
    throw new RuleError(`${name}:${number}: ${problem}`);
  };
  for (const whole of text.split('\n')) {
    number++;
    const line = wordsOf(whole);
    if (line === '') continue;
    const rule = parseRule(line, number, last, refuse);
    for (let { before } = rule; before !== undefined; { before } = before) {
      if (overlap(before, rule)) refuse(`line ${before.line} already says what happens to these packets`);
    }
    rules.push(rule);
  }
  return rules;
}

/** The line without a comment, its words with one space between them. */
function wordsOf(line: string): string {
  const comment = line.indexOf('#');
  const text = (comment < 0 ? line : line.slice(0, comment)).trim();
  return /\s\s|[^\S ]/u.test(text) ? text.replace(/\s+/gu, ' ') : text;
}

function parseRule(
  text: string,
  line: number,
  last: Map<string | number, Rule>,
  refuse: (problem: string) => never,
): Rule {
  const words = form.exec(text);
  if (words === null) {
    const wanted = 'allow|deny|limit N/s [burst N] in|out NETWORK|any [PROTOCOL [PORT[-PORT]]]';
    return refuse(`${JSON.stringify(text)} is not "${wanted}"`);
  }
  const [, action = 'limit', rate = '0', burst = '1', direction, network = '', protocol, ports] = words;
  const parsed = network === 'any' ? everybody : parseNetwork(network, refuse);
  const key = keyOf(parsed, direction === 'in');
  const numbers = protocol === undefined ? any : (protocols[protocol] ?? [Number(protocol)]);
  if (!numbers.every((number) => number < 256)) refuse(`protocol ${JSON.stringify(protocol)} is not known`);
  if (action === 'limit' && Number(rate) === 0) refuse('a limit of 0 packets is "deny"');
  const rule: Rule = {
    text,
    line,
    action: action as Rule['action'],
    direction: direction as Direction,
    network: parsed,
    protocols: numbers,
    ports: ports === undefined ? any : parsePorts(ports, refuse),
    rate: Number(rate),
    burst: Number(burst),
    before: last.get(key),
  };
  last.set(key, rule);
  return rule;
}

function parseNetwork(network: string, refuse: (problem: string) => never): IpNetwork {
  try {
    const parsed = ipNetwork(network);
    const { octets, prefixLength } = parsed;
    const isMapped = prefixLength >= mappedBits && isIpv4(octets);
    return isMapped ? { octets: octets.slice(12), prefixLength: prefixLength - mappedBits } : parsed;
  } catch (error) {
    if (!EbpfError.is(error)) throw error;
    return refuse(error.message);
  }
}

/** The same for what is the same network: a number for IPv4, which most are. */
function keyOf({ octets, prefixLength }: IpNetwork, incoming: boolean): string | number {
  const [a = 0, b = 0, c = 0, d = 0] = octets;
  const rest = prefixLength + (incoming ? 256 : 0);
  return octets.length === 4 ? (((a * 256 + b) * 256 + c) * 256 + d) * 512 + rest : `${octets.join()} ${rest}`;
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
