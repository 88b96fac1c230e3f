// The filter on one interface: its programs, the rules they go by, what they counted and dropped.
import {
  array,
  ArrayOfMaps,
  be16,
  bootTimeToDate,
  bytes,
  Ebpf,
  ipText,
  LpmTrie,
  lpmKey,
  PerCpuArrayMap,
  RingBuffer,
  struct,
  Tc,
  u16,
  u32,
  u64,
  u8,
  Xdp,
  type EventReader,
  type Infer,
  type InferInput,
  type Link,
  type LpmKey,
  type NetworkNamespaceSource,
  type Program,
  type XdpMode,
} from 'node-ebpf';

import { ipv4Mapped, isIpv4, mappedBits, parseRules, RuleError, type Direction, type Rule } from './rules.js';

const Selector = struct('selector', { direction: u8, protocol: u8, port: be16, address: bytes(16) });
const KernelRule = struct('rule', {
  interval: u64.asNumber,
  tolerance: u64.asNumber,
  counter: u32,
  action: u8,
  network_bits: u8,
  unused: u16,
});
const Counter = struct('counter', { packets: u64.asNumber, bytes: u64.asNumber });
const KernelDrop = struct('drop', {
  time: u64,
  counter: u32,
  interface: u32,
  length: u32,
  source_port: be16,
  port: be16,
  direction: u8,
  protocol: u8,
  unused: array(u8, 6),
  source: bytes(16),
  destination: bytes(16),
});
const RuleKey = lpmKey(Selector);
const RuleSet = LpmTrie.of(RuleKey, KernelRule);
type RuleSetMap = ReturnType<typeof RuleSet.from>;
type Entry = [LpmKey<InferInput<typeof Selector>>, InferInput<typeof KernelRule>];

// The enums of packet_filter.bpf.c.
const directions: readonly Direction[] = ['in', 'out'];
const actions: readonly Rule['action'][] = ['allow', 'deny', 'limit'];
const firstRule = 2;
/** Slots of counters that no rule has. */
const unruled: readonly (readonly [number, string])[] = [
  [0, '(not IP)'],
  [1, '(malformed)'],
];
/** Bits of a selector before the address. */
const wordBits = 32;
const second = 1e9;
/** Of a set. They take memory only when they are there. */
const mostEntries = 1 << 20;
/** What is allowed when no rule fits. */
const otherwise = parseRules('allow in any\nallow out any', 'default');

export interface Count {
  /** The rule in its words; `(not IP)` and `(malformed)` are no rules. */
  readonly rule: string;
  readonly packets: number;
  readonly bytes: number;
}

export interface Drop {
  readonly time: Date;
  readonly rule: string;
  readonly direction: Direction;
  /** The index of the interface in its network namespace. */
  readonly interface: number;
  readonly protocol: number;
  /** An address with its port, if the protocol has ports. */
  readonly source: string;
  readonly destination: string;
  /** Bytes, of which the Ethernet header is a part. */
  readonly length: number;
}

export interface Place {
  readonly interface: string;
  readonly netns?: NetworkNamespaceSource | undefined;
  readonly mode?: XdpMode | undefined;
}

export class PacketFilter {
  readonly #ebpf: Ebpf;
  readonly #ruleSets;
  /** What the next rules are written into, made before they come, and where that is among `rule_sets`. */
  #next: Promise<RuleSetMap | undefined>;
  #place = 1;
  readonly #counters;
  /** The slot in `counters` of each rule, by its words: a rule that stays goes on counting. */
  #slots = new Map<string, number>();
  /** Slots whose rules are gone. Those of the last replacement rest until the next: packets may be on their way to them. */
  #free: number[] = [];
  #resting: number[] = [];
  #nextSlot = firstRule;
  readonly #words = new Map<number, string>(unruled);
  #reader: EventReader<Infer<typeof KernelDrop>> | undefined;

  private constructor(ebpf: Ebpf) {
    this.#ebpf = ebpf;
    this.#ruleSets = ebpf.map('rule_sets', ArrayOfMaps.of(RuleSet));
    this.#counters = ebpf.map('counters', PerCpuArrayMap.of(Counter));
    this.#next = this.#emptySet().catch(() => undefined);
  }

  /** Loads the programs. They let everything pass until rules are set, and see nothing until they are attached. */
  static async load(object: string | URL, options: { readonly logDrops?: boolean } = {}): Promise<PacketFilter> {
    return new PacketFilter(await Ebpf.load(object, { variables: { log_drops: options.logDrops ?? true } }));
  }

  /** From now on packets of the interface are judged. All or nothing: when one side cannot be attached, neither is. */
  async attach({ interface: name, netns, mode }: Place): Promise<void> {
    const incoming: Link = await this.#ebpf.program('incoming', Xdp).attach({ interface: name, netns, mode });
    try {
      await this.#ebpf.program('outgoing', Tc).attach({ interface: name, netns, direction: 'egress' });
    } catch (error) {
      await incoming.detach();
      throw error;
    }
  }

  /** Puts these rules in the place of those before, for all packets at once. */
  async replace(rules: readonly Rule[]): Promise<void> {
    const all = [...rules, ...otherwise.filter((rule) => !rules.some((other) => isForAll(other, rule.direction)))];
    const free = [...this.#free];
    let next = this.#nextSlot;
    const slots = new Map<string, number>();
    for (const { text } of all) slots.set(text, this.#slots.get(text) ?? free.pop() ?? next++);
    if (next > this.#counters.length) throw new RuleError(`there are more than ${this.#counters.length} rules`);
    this.#startCounting(slots);

    const set = (await this.#next) ?? (await this.#emptySet());
    try {
      set.updateBatch(entriesOf(all, slots));
      this.#ebpf.variables['in_force'] = this.#place;
      this.#place = (this.#place + 1) % this.#ruleSets.length;
    } finally {
      set.close();
      this.#next = this.#emptySet().catch(() => undefined);
    }
    this.#free = [...free, ...this.#resting];
    this.#nextSlot = next;
    this.#resting = [];
    for (const [text, slot] of this.#slots) if (!slots.has(text)) this.#resting.push(slot);
    this.#slots = slots;
  }

  /** An empty set in a place that no packet asks for. Here the kernel waits until none is judged any more by what was there. */
  async #emptySet(): Promise<RuleSetMap> {
    return this.#ruleSets.createAt(this.#place, { name: 'rule_set', maxEntries: mostEntries });
  }

  /** Rules that were not there before begin at nothing. */
  #startCounting(slots: ReadonlyMap<string, number>): void {
    const nothing = Array.from({ length: this.#counters.cpus }, () => ({ packets: 0, bytes: 0 }));
    const fresh: [number, typeof nothing][] = [];
    for (const [text, slot] of slots) {
      if (this.#slots.has(text)) continue;
      this.#words.set(slot, text);
      fresh.push([slot, nothing]);
    }
    this.#counters.updateBatch(fresh);
  }

  /** What was counted, by rule, in the order of the rules. */
  counts(): Count[] {
    const slots = [...unruled, ...[...this.#slots].map(([text, slot]) => [slot, text] as const)];
    return slots.map(([slot, rule]) => {
      const perCpu = this.#counters.get(slot) ?? [];
      const sum = (field: 'packets' | 'bytes'): number => perCpu.reduce((total, count) => total + count[field], 0);
      return { rule, packets: sum('packets'), bytes: sum('bytes') };
    });
  }

  /** The dropped packets, one by one, until the filter is closed. */
  async *drops(signal?: AbortSignal): AsyncGenerator<Drop> {
    this.#reader = this.#ebpf.map('drops', RingBuffer.of(KernelDrop)).read({ signal });
    for await (const drop of this.#reader) {
      yield {
        time: bootTimeToDate(drop.time),
        rule: this.#words.get(drop.counter) ?? '(a rule that is gone)',
        direction: directions[drop.direction] ?? 'in',
        interface: drop.interface,
        protocol: drop.protocol,
        source: endpoint(drop.source, drop.source_port),
        destination: endpoint(drop.destination, drop.port),
        length: drop.length,
      };
    }
  }

  /** Drops that found no room where they wait to be read, and were counted only. */
  get unreported(): bigint {
    return this.#reader?.stats.dropped ?? 0n;
  }

  /** The program for a direction, to try it out with `testRun`. */
  program(direction: Direction): Program {
    return this.#ebpf.program(direction === 'in' ? 'incoming' : 'outgoing');
  }

  async close(): Promise<void> {
    (await this.#next)?.close();
    await this.#ebpf.close();
  }
}

/** Whether a rule is about all packets of a direction. */
function isForAll({ direction, network, protocols, ports }: Rule, of: Direction): boolean {
  const { octets, prefixLength } = network;
  return direction === of && octets.length === 16 && prefixLength === 0 && protocols[0] === 0 && ports[0] === 0;
}

/** The entries of the trie that rules become: of each one for each protocol and port. */
function* entriesOf(rules: readonly Rule[], slots: ReadonlyMap<string, number>): Generator<Entry> {
  for (const { text, action, direction, network, protocols, ports, rate, burst } of rules) {
    const isShort = network.octets.length === 4;
    const bits = network.prefixLength + (isShort ? mappedBits : 0);
    const prefixLength = wordBits + bits;
    const interval = action === 'limit' ? Math.round(second / rate) : 0;
    const value = {
      interval,
      tolerance: interval * (burst - 1),
      counter: slots.get(text) ?? 0,
      action: actions.indexOf(action),
      network_bits: bits,
      unused: 0,
    };
    const address = isShort ? [...ipv4Mapped, ...network.octets] : network.octets;
    for (const protocol of protocols) {
      for (const port of ports) {
        yield [{ prefixLength, data: { direction: directions.indexOf(direction), protocol, port, address } }, value];
      }
    }
  }
}

function endpoint(address: Uint8Array, port: number): string {
  const ipv4 = isIpv4(address);
  const text = ipText(ipv4 ? address.subarray(12) : address);
  if (port === 0) return text;
  return ipv4 ? `${text}:${port}` : `[${text}]:${port}`;
}
