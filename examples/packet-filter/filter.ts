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
  type Program,
  type XdpAttachOptions,
} from 'node-ebpf';

import { actions, directions, RuleError, type Direction, type Rule } from './rules.js';

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
  ['(no rule)', 2],
]);
/** Bits of a selector before the address. */
const wordBits = 32;
/** Bits before an IPv4 address that is kept as one of IPv6. */
const mappedBits = 96;
const second = 1e9;

export type Place = Pick<XdpAttachOptions, 'interface' | 'netns' | 'mode'>;

/** A packet that was dropped. Its ends are addresses, with ports if the protocol has them; its length has the Ethernet header in it. */
export type Drop = Omit<Infer<typeof KernelDrop>, 'time'> & { readonly time: Date; readonly rule: string };

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

  /** Loads the programs. They see nothing until they are attached, and let everything pass until rules are set. */
  static async load(object: string | URL, options: { readonly logDrops?: boolean } = {}): Promise<PacketFilter> {
    return new PacketFilter(await Ebpf.load(object, { variables: { log_drops: options.logDrops ?? true } }));
  }

  /** From now on packets of the interface are judged. When it fails the filter may be attached to one side: close it. */
  async attach({ mode, ...place }: Place): Promise<void> {
    await this.#ebpf.program('incoming', Xdp).attach({ ...place, mode });
    const side = { ...place, direction: 'egress' } as const;
    await removeLeftOver(side);
    await this.#ebpf.program('outgoing', Tc).attach(side);
  }

  /** Puts these rules in the place of those before, for all packets at once. */
  async replace(rules: readonly Rule[]): Promise<void> {
    const used = new Set(rules.map(({ text }) => this.#slots.get(text)));
    const slots = new Map<string, number>();
    const fresh: [string, number][] = [];
    let unused = unruled.size;
    for (const { text } of rules) {
      let slot = this.#slots.get(text);
      if (slot === undefined) {
        while (used.has(unused)) unused++;
        slot = unused++;
        fresh.push([text, slot]);
      }
      slots.set(text, slot);
    }
    if (unused > this.#counters.length) throw new RuleError(`there are more than ${this.#counters.length} rules`);
    // Rules that were not there before begin at nothing.
    const nothing = Array.from({ length: this.#counters.cpus }, () => ({ packets: 0, bytes: 0 }));
    this.#counters.updateBatch(fresh.map(([, slot]) => [slot, nothing]));
    for (const [text, slot] of fresh) this.#words.set(slot, text);
    const set = await this.#ruleSets.createAt(0, { name: 'rule_set', entries: entriesOf(rules, slots) });
    set.close();
    // No packet is on its way any more that would count for a rule that is gone: the next rules may have its slot.
    this.#slots = slots;
  }

  /** What was counted: of what no rule is about, then by rule, in their order. */
  counts(): { rule: string; packets: number; bytes: number }[] {
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

/** Before Linux 6.6 the side of traffic control outlives a filter that was killed. No other can be at work: XDP has one program. */
async function removeLeftOver(side: Place & { readonly direction: 'egress' }): Promise<void> {
  const { filters } = await Tc.query(side);
  for (const { name, priority, handle } of filters) {
    if (name === 'outgoing') await Tc.removeFilter({ ...side, priority, handle });
  }
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
