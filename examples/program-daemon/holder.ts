// What is held: each load is a folder of pins, and a file that tells of it. There is no other state, and none in this process.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { BpfMap, Ebpf, Link, ObjectSpec, Program } from 'node-ebpf';

import { capacity, requireAllowed, requireRoom, sum, type Grant, type Usage } from './grants.js';
import { attach, detach, hookOf, programsAt } from './hooks.js';
import { Refusal, type Attachment, type Request } from './protocol.js';

/** Who asked for what. Written before anything changes: by it a load that was cut off is undone. */
interface Held {
  readonly name: string;
  readonly uid: number;
  readonly netns?: string | undefined;
  readonly time: string;
  /** SHA-256 of the object, and of all that was asked for. */
  readonly object: string;
  readonly request: string;
  /** Their pins are `program-0`, `map-0` and `link-0`, in this order: what an object calls things makes no paths. */
  readonly programs: readonly string[];
  readonly maps: readonly string[];
  readonly attach: readonly Attachment[];
}

/** Work that is done one after the other. */
class Turns {
  #last: Promise<unknown> = Promise.resolve();

  async take<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

export class Holder {
  readonly #bpffs: string;
  /** `held/<grant>@<name>` is whole and stays; what is in `staging` is being made or undone, and goes at the next start. */
  readonly #held: string;
  readonly #staging: string;
  readonly #records: string;
  /** Of the requests of each grant, and of what is done to hooks. */
  readonly #grants = new Map<string, Turns>();
  readonly #hooks = new Turns();

  constructor({ bpffs, state }: { readonly bpffs: string; readonly state: string }) {
    this.#bpffs = bpffs;
    this.#held = join(bpffs, 'program-daemon', 'held');
    this.#staging = join(bpffs, 'program-daemon', 'staging');
    this.#records = join(state, 'held');
    for (const folder of [this.#held, this.#staging, this.#records])
      mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** Undoes what was cut off, and what no grant is for any more. Returns what that was. */
  async restore(grants: ReadonlyMap<string, Grant>): Promise<string[]> {
    for (const key of readdirSync(this.#held))
      if (!grants.has(key.split('@')[0] ?? '')) renameSync(join(this.#held, key), join(this.#staging, key));
    const records = readdirSync(this.#records).map((file) => file.split('.')[0] ?? '');
    const cutOff = [...new Set(records)].filter((key) => !existsSync(join(this.#held, key)));
    // What cannot be undone now is none of the others' affair, and is tried again at the next start.
    for (const key of cutOff) await this.#undo(key).catch((error: unknown) => console.error(key, error));
    return cutOff;
  }

  /** All or nothing; at once for everyone who asks. What is held by the same request already stays as it is. */
  async load(grant: Grant, request: Request, signal: AbortSignal): Promise<object> {
    const key = keyOf(grant, request);
    const spec = ObjectSpec.parse(request.object, { name: request.name });
    const wanted = request.attach.map(({ program }) => spec.program(program).name);
    for (const program of spec.programs.values()) program.autoload = wanted.includes(program.name);
    const sectionOf = (program: string): string => spec.program(program).section.replace('?', '');
    const attachments = request.attach.map((each) => ({ ...each, hook: each.hook ?? sectionOf(each.program) }));
    requireAllowed(grant, spec, attachments);
    const maps = [...spec.maps.values()].filter(({ autoCreate }) => autoCreate);
    const programs = [...new Set(wanted)];
    const object = hashOf(request.object);
    const held: Held = {
      ...{ name: request.name, uid: grant.uid, netns: grant.netns, time: new Date().toISOString() },
      ...{ object, request: hashOf(JSON.stringify([object, request.variables, request.attach])) },
      ...{ programs, maps: maps.map(({ name }) => name), attach: attachments },
    };
    return this.#turns(grant).take(async () => {
      signal.throwIfAborted();
      if (existsSync(join(this.#held, key))) {
        if (this.#record(key).request === held.request) return this.#describe(key);
        throw new Refusal('ERR_NAME_TAKEN', `grant ${grant.name} has another ${request.name}`, { name: request.name });
      }
      // What could not be undone before is in the way.
      if (existsSync(join(this.#staging, key))) await this.#undo(key);
      const used = this.#usage(grant);
      const bytes = maps.reduce((all, map) => all + capacity(map), 0);
      requireRoom(grant, used, { programs: programs.length, maps: maps.length, bytes });
      this.#write(key, held);
      let ebpf: Ebpf | undefined;
      try {
        const dispatched = attachments.flatMap(({ hook, program }) => (hook === 'xdp' ? program : []));
        const options = dispatched.length === 0 ? {} : { dispatched };
        ebpf = await Ebpf.load(spec, { ...options, variables: request.variables, signal });
        this.#pin(key, held, ebpf);
        requireRoom(grant, used, usageOf(join(this.#staging, key)));
        await this.#attach(key, held, ebpf);
        signal.throwIfAborted();
        // From here on it is held, whatever happens.
        renameSync(join(this.#staging, key), join(this.#held, key));
      } catch (error) {
        await this.#undo(key);
        throw error;
      } finally {
        await ebpf?.close();
      }
      return this.#describe(key);
    });
  }

  async unload(grant: Grant, request: Request): Promise<object> {
    const key = keyOf(grant, request);
    return this.#turns(grant).take(async () => {
      const { name } = request;
      if (!existsSync(join(this.#held, key))) throw new Refusal('ERR_NAME_UNKNOWN', `there is no ${name}`, { name });
      // From here on it is not held, whatever happens.
      renameSync(join(this.#held, key), join(this.#staging, key));
      await this.#undo(key);
      return { name };
    });
  }

  async list(grant: Grant): Promise<object> {
    return this.#turns(grant).take(async () => {
      const held = await Promise.all(this.#keys(grant).map(async (key) => this.#describe(key)));
      return { held, used: this.#usage(grant), grant };
    });
  }

  #turns({ name }: Grant): Turns {
    const turns = this.#grants.get(name) ?? new Turns();
    this.#grants.set(name, turns);
    return turns;
  }

  #keys(grant: Grant): string[] {
    return readdirSync(this.#held).filter((key) => key.startsWith(`${grant.name}@`));
  }

  #usage(grant: Grant): Usage {
    return sum(this.#keys(grant).map((key) => usageOf(join(this.#held, key))));
  }

  #pin(key: string, { programs, maps }: Held, ebpf: Ebpf): void {
    const folder = join(this.#staging, key);
    mkdirSync(folder, { mode: 0o700 });
    for (const [index, name] of programs.entries()) ebpf.program(name).pin(join(folder, `program-${index}`));
    for (const [index, name] of maps.entries()) ebpf.map(name).pin(join(folder, `map-${index}`));
  }

  async #attach(key: string, held: Held, ebpf: Ebpf): Promise<void> {
    await this.#hooks.take(async () => {
      for (const [index, attachment] of held.attach.entries()) {
        const link = await attach(ebpf, attachment, hookOf(attachment, held.netns, this.#bpffs), this.#priorities());
        link?.pin(join(this.#staging, key, `link-${index}`));
      }
    });
  }

  /** Those of all our links, those of the load that is on its way included, by their ids. */
  #priorities(): ReadonlyMap<number, number> {
    const folders = [this.#held, this.#staging].flatMap((parent) =>
      readdirSync(parent).map((key) => [parent, key] as const),
    );
    const links = folders.flatMap(([parent, key]) =>
      this.#record(key).attach.map(({ priority }, index) => [join(parent, key, `link-${index}`), priority] as const),
    );
    return new Map(links.filter(([pin]) => existsSync(pin)).map(([pin, priority]) => [linkId(pin), priority]));
  }

  /** Takes away what is in staging. When that is cut off, it is done again at the next start. */
  async #undo(key: string): Promise<void> {
    const folder = join(this.#staging, key);
    const pins = (kind: string): string[] =>
      existsSync(folder) ? readdirSync(folder).flatMap((pin) => (pin.startsWith(kind) ? join(folder, pin) : [])) : [];
    const programIds = new Set(pins('program').map((pin) => programInfo(pin).id));
    if (programIds.size > 0) {
      const { attach: attachments, netns } = this.#record(key);
      await this.#hooks.take(async () => {
        for (const attachment of attachments) {
          const hook = hookOf(attachment, netns, this.#bpffs);
          if (hook !== undefined) await detach(hook, programIds);
        }
        for (const pin of pins('link')) await Link.open(pin).detach();
      });
    }
    rmSync(folder, { recursive: true, force: true });
    for (const end of ['.json', '.new']) rmSync(join(this.#records, key + end), { force: true });
  }

  async #describe(key: string): Promise<object> {
    const { netns, request: _, ...held } = this.#record(key);
    const folder = join(this.#held, key);
    const programs = held.programs.map((name, index) => {
      const { id, runCount, runTimeNs } = programInfo(join(folder, `program-${index}`));
      return { name, id, runCount: Number(runCount), runTimeNs: Number(runTimeNs) };
    });
    const attachments = held.attach.map(async (attachment, index) => {
      const hook = hookOf(attachment, netns, this.#bpffs);
      const id = programs.find(({ name }) => name === attachment.program)?.id;
      const pinned = existsSync(join(folder, `link-${index}`));
      return { ...attachment, attached: hook === undefined ? pinned : (await programsAt(hook)).includes(id) };
    });
    return { ...held, programs, attach: await Promise.all(attachments), bytes: usageOf(folder).bytes };
  }

  #record(key: string): Held {
    return JSON.parse(readFileSync(join(this.#records, `${key}.json`), 'utf8')) as Held;
  }

  #write(key: string, held: Held): void {
    const file = join(this.#records, key);
    writeFileSync(`${file}.new`, JSON.stringify(held), { mode: 0o600, flush: true });
    renameSync(`${file}.new`, `${file}.json`);
  }
}

function keyOf(grant: Grant, { name }: Request): string {
  return `${grant.name}@${name}`;
}

export function hashOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

function programInfo(pin: string): ReturnType<Program['info']> {
  using program = Program.open(pin);
  return program.info();
}

function linkId(pin: string): number {
  const link = Link.open(pin);
  const { id } = link.info();
  void link.close();
  return id;
}

/** What is pinned in a folder takes: what the kernel says, or what the maps can grow to. */
function usageOf(folder: string): Usage {
  return sum(
    readdirSync(folder).map((pin) => {
      if (pin.startsWith('program')) {
        using program = Program.open(join(folder, pin));
        return { programs: 1, maps: 0, bytes: program.memoryUsage() };
      }
      if (!pin.startsWith('map')) return { programs: 0, maps: 0, bytes: 0 };
      using map = BpfMap.open(join(folder, pin));
      return { programs: 0, maps: 1, bytes: Math.max(map.memoryUsage(), capacity(map.info())) };
    }),
  );
}
