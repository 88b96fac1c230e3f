// The filter on one interface: its programs, the rules they go by, what they counted and dropped.
import {
  ArrayOfMaps,
  be16,
  bootTimeToDate,
  Ebpf,
  enumeration,
  ipAddress,
  LpmTrie,
  lpmKey,
  PerCpuArrayMap,
  RingBuffer,
  struct,
  sumOfCpus,
  Tc,
  u32,
  u64,
  u8,
  Xdp,
  type EntriesOf,
  type EventReader,
  type Infer,
  type NetworkNamespaceSource,
  type Program,
  type XdpMode,
} from 'node-ebpf';

import { actions, directions, parseRules, RuleError, type Direction, type Rule } from './rules.js';

const direction = enumeration(u8, directions);
const Selector = struct('selector', { direction, protocol: u8, port: be16, address: ipAddress(16) });
const KernelRule = struct('rule', {
  ...{ interval: u64, tolerance: u64, counter: u32 },
  ...{ action: enumeration(u8, actions), network_bits: u8 },
});
const Counter = struct('counter', { packets: u64.asNumber, bytes: u64.asNumber });
const KernelDrop = struct('drop', {
  ...{ time: u64, counter: u32, interface: u32, length: u32, source_port: be16, port: be16 },
  ...{ direction, protocol: u8, source: ipAddress(16), destination: ipAddress(16) },
});
const RuleSet = LpmTrie.of(lpmKey(Selector), KernelRule);
type Entries = EntriesOf<ReturnType<typeof RuleSet.from>>;

/** Slots of counters that no rule has. */
const unruled: ReadonlyMap<string, number> = new Map([
  ['(not IP)', 0],
  ['(malformed)', 1],
]);
/** Bits of a selector before the address. */
const wordBits = 32;
/** Bits before an IPv4 address that is kept as one of IPv6. */
const mappedBits = 96;
const second = 1e9;
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
  readonly direction: Direction | number;
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
  readonly #counters;
  /** The slot in `counters` of each rule, by its words: a rule that stays goes on counting. */
  #slots: ReadonlyMap<string, number> = new Map();
  /** Whose each slot is, or was last. */
  readonly #words = new Map([...unruled].map(([words, slot]) => [slot, words]));
  #reader: EventReader<Infer<typeof KernelDrop>> | undefined;

  private constructor(ebpf: Ebpf) {
    this.#ebpf = ebpf;
    this.#ruleSets = ebpf.map('rule_sets', ArrayOfMaps.of(RuleSet));
    this.#counters = ebpf.map('counters', PerCpuArrayMap.of(Counter));
  }

  /** Loads the programs. They let everything pass until rules are set, and see nothing until they are attached. */
  static async load(object: string | URL, options: { readonly logDrops?: boolean } = {}): Promise<PacketFilter> {
    return new PacketFilter(await Ebpf.load(object, { variables: { log_drops: options.logDrops ?? true } }));
  }

  /** From now on packets of the interface are judged. All or nothing: when one side cannot be attached, neither is. */
  async attach({ mode, ...place }: Place): Promise<void> {
    const incoming = await this.#ebpf.program('incoming', Xdp).attach({ ...place, mode });
    try {
      await this.#ebpf.program('outgoing', Tc).attach({ ...place, direction: 'egress' });
    } catch (error) {
      await incoming.detach();
      throw error;
    }
  }

  /** Puts these rules in the place of those before, for all packets at once. */
  async replace(rules: readonly Rule[]): Promise<void> {
    const all = [...rules, ...otherwise.filter((rule) => !rules.some((other) => isForAll(other, rule.direction)))];
    const used = new Set(all.map(({ text }) => this.#slots.get(text)));
    let slot = unruled.size - 1;
    const unusedSlot = (): number => {
      do slot++;
      while (used.has(slot));
      return slot;
    };
    const slots = new Map(all.map(({ text }) => [text, this.#slots.get(text) ?? unusedSlot()]));
    if (slot >= this.#counters.length) throw new RuleError(`there are more than ${this.#counters.length} rules`);
    this.#startCounting([...slots].filter(([text]) => !this.#slots.has(text)));
    const set = await this.#ruleSets.createAt(0, { name: 'rule_set', entries: entriesOf(all, slots) });
    set.close();
    // No packet is on its way any more that would count for a rule that is gone: the next rules may have its slot.
    this.#slots = slots;
  }

  /** Rules that were not there before begin at nothing. */
  #startCounting(rules: readonly (readonly [string, number])[]): void {
    const nothing = Array.from({ length: this.#counters.cpus }, () => ({ packets: 0, bytes: 0 }));
    this.#counters.updateBatch(rules.map(([, slot]) => [slot, nothing]));
    for (const [text, slot] of rules) this.#words.set(slot, text);
  }

  /** What was counted, by rule, in the order of the rules. */
  counts(): Count[] {
    const slots = [...unruled, ...this.#slots];
    return slots.map(([rule, slot]) => ({ rule, ...sumOfCpus(this.#counters.get(slot) ?? []) }));
  }

  /** The dropped packets, one by one, until the filter is closed. */
  async *drops(signal?: AbortSignal): AsyncGenerator<Drop> {
    this.#reader = this.#ebpf.map('drops', RingBuffer.of(KernelDrop)).read({ signal });
    for await (const drop of this.#reader) {
      yield {
        ...drop,
        time: bootTimeToDate(drop.time),
        rule: this.#words.get(drop.counter) ?? '(a rule that is gone)',
        source: endpoint(drop.source, drop.source_port),
        destination: endpoint(drop.destination, drop.port),
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
    await this.#ebpf.close();
  }
}

/** Whether a rule is about all packets of a direction. */
function isForAll({ direction, network, protocols, ports }: Rule, of: Direction): boolean {
  const { octets, prefixLength } = network;
  return direction === of && octets.length === 16 && prefixLength === 0 && protocols[0] === 0 && ports[0] === 0;
}

/** The entries of the trie that rules become: of each one for each protocol and port. */
function* entriesOf(rules: readonly Rule[], slots: ReadonlyMap<string, number>): Entries {
  for (const { text, action, direction, network, protocols, ports, rate, burst } of rules) {
    const interval = action === 'limit' ? Math.round(second / rate) : 0;
    const counter = slots.get(text) ?? 0;
    const bits = network.prefixLength + (network.octets.length === 4 ? mappedBits : 0);
    const rule = { interval, tolerance: interval * (burst - 1), counter, action, network_bits: bits };
    const prefixLength = wordBits + bits;
    for (const protocol of protocols) {
      for (const port of ports) {
        yield [{ prefixLength, data: { direction, protocol, port, address: network.octets } }, rule];
      }
    }
  }
}

function endpoint(address: string, port: number): string {
  if (port === 0) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
