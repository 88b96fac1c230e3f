// Loads what this kernel can run, hands it the rules, and makes reports of its events.
import { readFileSync } from 'node:fs';

import {
  array,
  bool,
  bootTimeToDate,
  cstr,
  Ebpf,
  features,
  HashMap,
  i32,
  ipAddress,
  ObjectSpec,
  RingBuffer,
  struct,
  u16,
  u32,
  u64,
  u8,
  type EventReader,
  type Infer,
} from 'node-ebpf';

import { Processes } from './processes.js';
import { kind, placesOf, Subject, Verdicts, verdictsOf, type Kind, type Rule, type RuleFile } from './rules.js';

const nameSize = 40;
const levels = 20;
const Event = struct('event', {
  ...{ time: u64, cgroup: u64, kind, pid: u32, parent: u32, uid: u32, argument: u32, rule: i32 },
  ...{ port: u16, family: u8, denied: bool, address: ipAddress(16), comm: cstr(16), depth: u32 },
  names: array(cstr(nameSize), levels),
});

export interface Report {
  readonly time: Date;
  readonly kind: Kind;
  /** What became of it: told of only, an alert since a rule is about it, or forbidden. */
  readonly action: 'report' | 'alert' | 'denied';
  readonly rule?: string;
  readonly pid: number;
  readonly uid: number;
  readonly comm: string;
  /** `name(pid)`, the parent first. */
  readonly ancestry: readonly string[];
  /** The id of the container that the process runs in. */
  readonly container?: string;
  readonly path?: string;
  readonly address?: string;
  readonly port?: number;
  /** The process that is traced, the user that is become, the mode that is set. */
  readonly argument?: number;
}

export class Monitor {
  /** What is not seen on this kernel, each with the reason. */
  readonly missing: readonly string[];
  readonly processes: Processes;
  readonly #ebpf: Ebpf;
  readonly #rules: readonly Rule[];
  readonly #reader: EventReader<Infer<typeof Event>>;

  private constructor(ebpf: Ebpf, rules: readonly Rule[], missing: readonly string[]) {
    this.#ebpf = ebpf;
    this.#rules = rules;
    this.missing = missing;
    this.#reader = ebpf.map('events', RingBuffer.of(Event)).read();
    this.processes = new Processes();
  }

  /** Whatever this kernel can do is attached when it resolves: programs of its security module, or at the same hooks by fentry. */
  static async start(object: string | URL, { rules, trusted }: RuleFile): Promise<Monitor> {
    const spec = ObjectSpec.parse(readFileSync(object), { name: 'security_monitor.bpf.o' });
    const { supported: canDeny, reason } = await features.bpfLsm();
    for (const program of spec.programs.values()) {
      if (program.name.endsWith(canDeny ? '_lsm' : '_fentry')) program.autoload = program.optional = true;
    }
    Object.assign(spec.program('executed'), { autoload: true, autoAttach: false });
    const ebpf = await Ebpf.load(spec, { variables: { own_pid: process.pid } });
    try {
      ebpf.map('rules', Verdicts).updateBatch(verdictsOf(rules));
      const places = [...placesOf(trusted)].map((place) => [{ ...place, kind: 0, port: 0 }, 1] as const);
      ebpf.map('trusted', HashMap.of(Subject, u32)).updateBatch(places);
      const missing = canDeny ? [] : [`deny: rules tell and do not forbid: ${reason}`];
      const monitor = new Monitor(ebpf, rules, missing);
      const { unattached } = await ebpf.attach();
      const left = [...ebpf.unloaded, ...unattached].filter(({ error }) => error !== undefined);
      missing.push(...left.map(({ program, error }) => `${program.name}: ${error?.message}`));
      // Kernels that refuse programs at hooks still tell of processes.
      if (left.some(({ program }) => program.name.startsWith('bprm_check_security'))) {
        await ebpf.program('executed').attach();
      }
      return monitor;
    } catch (error) {
      await ebpf.close();
      throw error;
    }
  }

  /** What happens from now on, until the monitor is closed. */
  async *reports(): AsyncGenerator<Report> {
    for await (const event of this.#reader) {
      if (event.kind === 'fork') this.processes.forked(event.pid, event.argument);
      else if (event.kind === 'exit') this.processes.exited(event.pid);
      else if (typeof event.kind === 'string') yield this.#report(event.kind, event);
    }
  }

  /** Events that found no room where they wait to be read. */
  get dropped(): bigint {
    return this.#reader.stats.dropped ?? 0n;
  }

  async close(): Promise<void> {
    await this.#ebpf.close();
  }

  #report(kind: Kind, event: Infer<typeof Event>): Report {
    const { pid, uid, comm, cgroup, address, family, port, argument } = event;
    const ancestry = this.processes.ancestryOf(pid);
    const path = event.depth > 0 ? pathOf(event) : undefined;
    const container = this.processes.containerOf(cgroup, pid);
    const rule = this.#rules[event.rule];
    const applies =
      rule !== undefined &&
      (rule.ancestor === undefined || ancestry.some((one) => one.startsWith(`${rule.ancestor}(`)));
    if (kind === 'exec' && !event.denied) this.processes.executed(pid, path?.slice(path.lastIndexOf('/') + 1) ?? comm);
    return {
      time: bootTimeToDate(event.time),
      kind,
      action: event.denied ? 'denied' : applies ? 'alert' : 'report',
      ...(applies && { rule: rule.name }),
      ...{ pid, uid, comm, ancestry },
      ...(container !== undefined && { container }),
      ...(path !== undefined && { path }),
      ...(family !== 0 && { address, port }),
      ...(argument !== 0 && { argument }),
    };
  }
}

/** Names come the last first; roots of mounts have none. A path of more levels than there is room for lacks its beginning. */
function pathOf({ names, depth }: Infer<typeof Event>): string {
  const known = names.slice(0, depth).filter((name) => name !== '');
  return `${depth === levels ? '...' : ''}/${known.reverse().join('/')}`;
}
