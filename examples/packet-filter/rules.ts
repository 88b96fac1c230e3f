// The rules' file: a line is a rule, in words. What a rule becomes in the kernel is filter.ts.
import { EbpfError, ipNetwork, type IpNetwork } from 'node-ebpf';

// Both as packet_filter.bpf.c counts them.
export const directions = ['in', 'out'] as const;
export const actions = ['allow', 'deny', 'limit'] as const;

export type Direction = (typeof directions)[number];

/** What one line of the file says. */
export interface Rule {
  /** The rule in the words of its line, by which it is known. */
  readonly text: string;
  readonly line: number;
  readonly action: (typeof actions)[number];
  readonly direction: Direction;
  /** Addresses of the other side. */
  readonly network: IpNetwork;
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

const protocolsOf: Readonly<Record<string, readonly number[]>> = { icmp: [1, 58], tcp: [6], udp: [17], sctp: [132] };
/** A range of ports is as many entries of the kernel's table. */
const mostPorts = 1024;

const form = /^(?:(allow|deny)|limit (\d+)\/s(?: burst (\d+))?) (in|out) (\S+)(?: ([a-z]+|\d+)(?: (\d+(?:-\d+)?))?)?$/u;
const formInWords = 'allow|deny|limit N/s [burst N] in|out NETWORK|any [PROTOCOL [PORT[-PORT]]]';

const any = [0];
const everybody = ipNetwork('::/0');

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
  const before = new Map<Rule, Rule>();
  for (const [index, line] of text.split('\n').entries()) {
    const words = wordsOf(line);
    if (words === '') continue;
    try {
      const rule = parseRule(words, index + 1);
      const key = keyOf(rule);
      const same = last.get(key);
      if (same !== undefined) before.set(rule, same);
      for (let other = same; other !== undefined; other = before.get(other)) {
        if (overlap(other, rule)) throw new RuleError(`line ${other.line} already says what happens to these packets`);
      }
      last.set(key, rule);
      rules.push(rule);
    } catch (cause) {
      if (!(cause instanceof RuleError) && !EbpfError.is(cause)) throw cause;
      throw new RuleError(`${name}:${index + 1}: ${cause.message}`, { cause });
    }
  }
  return rules;
}

/** The line without a comment, its words with one space between them. */
function wordsOf(line: string): string {
  return /#|\s\s|[^\S ]/u.test(line) ? line.replace(/#.*/u, '').replace(/\s+/gu, ' ').trim() : line.trim();
}

function parseRule(text: string, line: number): Rule {
  const words = form.exec(text);
  if (words === null) throw new RuleError(`${JSON.stringify(text)} is not "${formInWords}"`);
  const [, action = 'limit', rate = '0', burst = '1', direction, network = '', protocol, ports] = words;
  const rule: Rule = {
    text,
    line,
    action: action as Rule['action'],
    direction: direction as Direction,
    network: network === 'any' ? everybody : ipNetwork(network),
    protocols: protocol === undefined ? any : (protocolsOf[protocol] ?? [Number(protocol)]),
    ports: ports === undefined ? any : parsePorts(ports),
    rate: Number(rate),
    burst: Number(burst),
  };
  if (!rule.protocols.every((number) => number < 256)) throw new RuleError(`protocol "${protocol}" is not known`);
  if (rule.action === 'limit' && rule.rate === 0) throw new RuleError('a limit of 0 packets is "deny"');
  return rule;
}

function parsePorts(text: string): number[] {
  const dash = text.indexOf('-');
  const first = Number(dash < 0 ? text : text.slice(0, dash));
  const last = dash < 0 ? first : Number(text.slice(dash + 1));
  if (first < 1 || last > 65_535 || last < first) throw new RuleError(`${text} is no port or range of ports`);
  if (last - first >= mostPorts) throw new RuleError(`${text} are more than ${mostPorts} ports`);
  return first === last ? [first] : Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** The same for what is the same network: a number for IPv4, which most are. */
function keyOf({ direction, network: { octets, prefixLength } }: Rule): string | number {
  const bits = prefixLength + (direction === 'in' ? 0 : 64);
  if (octets.length === 4) return octets.reduce((number, octet) => number * 256 + octet, 0) * 128 + bits;
  return `${direction} ${octets.join()} ${prefixLength}`;
}

/** Whether two rules for one network have an entry in common. */
function overlap(one: Rule, other: Rule): boolean {
  const common = (some: readonly number[], others: readonly number[]): boolean =>
    some.some((item) => others.includes(item));
  return common(one.protocols, other.protocols) && common(one.ports, other.ports);
}
