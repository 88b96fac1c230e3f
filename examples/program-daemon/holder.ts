// What is held: each load is a folder of pins with a note of it. There is no other state, but the trace of what was asked for.
import { hash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

import { Ebpf, ObjectSpec, PinFolder, Tc, TcxLink, Xdp, XdpDispatcher, type PinFolderDescription } from 'node-ebpf';

import { Refusal, requireAllowed, requireRoom, usageOf, type Attachment, type Grant, type Load } from './grants.js';

/** What is kept of the trace of a grant. */
const traceEntries = 200;

/** The note of a load. The links are pinned by their place in `attach`, and their priority. */
interface Held extends Pick<Load, 'name' | 'attach'> {
  readonly time: string;
  /** SHA-256 of the object, and of all that was asked for. */
  readonly object: string;
  readonly request: string;
}

type Described = Held & PinFolderDescription;

export class Holder {
  readonly #bpffs: string;
  /** `held/<grant>@<name>` is whole and stays; what is in `staging` is being made or undone, and goes at the next start. */
  readonly #held: string;
  readonly #staging: string;
  readonly #traces: string;
  /** The last request of each grant: they are done one after the other. */
  readonly #last = new Map<string, Promise<unknown>>();
  /** Of our links of TCX, by their ids. */
  readonly #priorities = new Map<number, number>();

  constructor(bpffs: string, state: string) {
    this.#bpffs = bpffs;
    this.#held = join(bpffs, 'program-daemon', 'held');
    this.#staging = join(bpffs, 'program-daemon', 'staging');
    this.#traces = join(state, 'trace');
    for (const folder of [this.#held, this.#staging, this.#traces]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** Undoes what was cut off, and what no grant is for any more. */
  async restore(grants: readonly Grant[]): Promise<void> {
    for (const key of readdirSync(this.#held))
      if (!grants.some(({ name }) => key.startsWith(`${name}@`)))
        renameSync(join(this.#held, key), join(this.#staging, key));
    for (const key of readdirSync(this.#staging)) {
      const [grant = '', name] = key.split(/[@~]/);
      this.note(grant, { do: 'undo', name });
      // What cannot be undone now is none of the others' affair, and is tried again at the next start.
      await PinFolder.remove(join(this.#staging, key)).catch((error: unknown) => console.error(key, error));
    }
    for (const key of readdirSync(this.#held)) {
      await using pins = PinFolder.open(join(this.#held, key));
      for (const [pin, link] of pins.links)
        if (link instanceof TcxLink) this.#priorities.set(link.info().id, Number(pin.split('-')[1]));
    }
  }

  /** All or nothing; at once for everyone who asks. What is held by the same request already stays as it is. */
  async load(grant: Grant, { name, variables, ...request }: Load, signal: AbortSignal): Promise<object> {
    const spec = ObjectSpec.parse(request.object, { name });
    const wanted = new Set(request.attach.map(({ program }) => spec.program(program)));
    for (const program of spec.programs.values()) program.autoload = wanted.has(program);
    const sectionOf = (program: string): string => spec.program(program).section.replace('?', '');
    const attach = request.attach.map((each) => ({ ...each, hook: each.hook ?? sectionOf(each.program) }));
    requireAllowed(grant, spec, attach);
    const object = hash('sha256', request.object);
    const identity = { name, object, request: hash('sha256', JSON.stringify([object, variables, attach])) };
    return this.#inTurn(grant, async () => {
      signal.throwIfAborted();
      const all = await this.#all(grant);
      const there = all.find((each) => each.name === name);
      if (there?.request === identity.request) return there;
      if (there !== undefined) throw new Refusal('ERR_NAME_TAKEN', `grant ${grant.name} has another ${name}`, { name });
      const maps = [...spec.maps.values()].filter(({ autoCreate }) => autoCreate);
      const bytes = maps.reduce((sum, map) => sum + map.fullSize({ cpus: availableParallelism() }), 0);
      requireRoom(grant, usageOf(all), { programs: wanted.size, maps: maps.length, bytes });
      const key = `${grant.name}@${name}`;
      const staging = join(this.#staging, key);
      // What could not be undone before is in the way.
      await PinFolder.remove(staging);
      await using ebpf = await Ebpf.load(spec, { dispatched: true, variables, signal });
      try {
        const held: Held = { ...identity, time: new Date().toISOString(), attach };
        ebpf.pin(staging, { note: JSON.stringify(held) });
        requireRoom(grant, usageOf(all), usageOf([await describe(staging)]));
        for (const [index, each] of attach.entries())
          await this.#attach(grant, ebpf, each, join(staging, 'links', `${index}-${each.priority}`));
        signal.throwIfAborted();
        // From here on it is held, whatever happens.
        renameSync(staging, join(this.#held, key));
      } catch (error) {
        await PinFolder.remove(staging);
        throw error;
      }
      return await describe(join(this.#held, key));
    });
  }

  async unload(grant: Grant, name: string): Promise<object> {
    return this.#inTurn(grant, async () => {
      const key = `${grant.name}@${name}`;
      if (!existsSync(join(this.#held, key))) throw new Refusal('ERR_NAME_UNKNOWN', `there is no ${name}`, { name });
      // From here on it is not held, whatever happens.
      renameSync(join(this.#held, key), join(this.#staging, key));
      await PinFolder.remove(join(this.#staging, key));
      return { name };
    });
  }

  async list(grant: Grant): Promise<object> {
    const held = await this.#inTurn(grant, async () => this.#all(grant));
    return { held, used: usageOf(held), grant };
  }

  trace(grant: string): readonly object[] {
    const file = join(this.#traces, grant);
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as object[]) : [];
  }

  note(grant: string, entry: object): void {
    const file = join(this.#traces, grant);
    const entries = [...this.trace(grant), { time: new Date(), ...entry }].slice(-traceEntries);
    writeFileSync(`${file}.new`, JSON.stringify(entries), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }

  async #inTurn<Result>({ name }: Grant, work: () => Promise<Result>): Promise<Result> {
    const turn = Promise.allSettled([this.#last.get(name)]).then(work);
    this.#last.set(name, turn);
    return turn;
  }

  /** Attaches a program beside those that are there, and pins its link: nothing is ever attached that no pin names. */
  async #attach({ netns }: Grant, ebpf: Ebpf, { program, hook, ...given }: Attachment, pin: string): Promise<void> {
    const place = { interface: given.interface ?? '', netns, bpffs: this.#bpffs };
    const { priority } = given;
    const direction = hook === 'tc/ingress' ? 'ingress' : 'egress';
    if (given.interface === undefined) (await ebpf.program(program).attach()).pin(pin);
    else if (hook === 'xdp') await new XdpDispatcher(place).attach(ebpf.program(program, Xdp), { priority, pin });
    else await ebpf.program(program, Tc).attach({ ...place, direction, priority, among: this.#priorities, pin });
  }

  async #all({ name }: Grant): Promise<Described[]> {
    const keys = readdirSync(this.#held).filter((key) => key.startsWith(`${name}@`));
    return Promise.all(keys.map(async (key) => describe(join(this.#held, key))));
  }
}

async function describe(folder: string): Promise<Described> {
  await using pins = PinFolder.open(folder);
  // Some maps take their memory only as they fill: here it counts from the start.
  return { ...(JSON.parse(pins.note ?? '') as Held), ...(await pins.describe({ full: true })) };
}
