// Who may load what: the file of grants.
import { availableParallelism } from 'node:os';

import { MapType, ProgramType, type ObjectSpec } from 'node-ebpf';

import { integer, label, list, members, parseJson, Refusal, text, wrong, type Attachment } from './protocol.js';

/** How much is loaded, or may be; `bytes` of the kernel's memory. */
export type Usage = Readonly<Record<(typeof quotas)[number], number>>;

export interface Grant extends Usage {
  readonly name: string;
  /** The user whose socket it is. */
  readonly uid: number;
  /** The file of the network namespace that has the interfaces; without it the daemon's own. */
  readonly netns?: string | undefined;
  /** Types of programs in the kernel's words: `XDP`, `SCHED_CLS`. */
  readonly types: readonly string[];
  /** `xdp`, `tc/ingress`, `tc/egress`, and sections such as `tracepoint/sched/*`. */
  readonly hooks: readonly string[];
  readonly interfaces: readonly string[];
}

const quotas = ['programs', 'maps', 'bytes'] as const;
/** Hooks of interfaces. */
const networkHooks = /^(?:xdp|tc\/ingress|tc\/egress)$/;
/** Sections that say where a program belongs, but name no file: clients are not to have the daemon open any. */
const sections = /^(?:tp|tracepoint|raw_tp|raw_tracepoint|tp_btf|k(?:ret)?probe|k(?:ret)?syscall|fentry|fexit|lsm)\//;
const typeNames = new Map<number, string>(Object.entries(ProgramType).map(([name, type]) => [type, name]));
const perCpu = new Set<number>([MapType.PERCPU_ARRAY, MapType.PERCPU_HASH, MapType.LRU_PERCPU_HASH]);
const arenaPage = 4096;

/** @throws {@link Refusal} that names the member at fault. */
export function parseGrants(json: string): ReadonlyMap<string, Grant> {
  const file = Object.entries(members(parseJson(json, 'the file'), 'the file'));
  return new Map(file.map(([name, value]) => [label(name, name), parseGrant(name, value)]));
}

function parseGrant(name: string, value: unknown): Grant {
  const known = ['uid', 'netns', 'types', 'hooks', 'interfaces', ...quotas];
  const { uid, netns, types = [], hooks = [], interfaces = [], ...rest } = members(value, name, known);
  const [programs = 0, maps = 0, bytes = 0] = quotas.map((quota) => integer(rest[quota], `${name}.${quota}`));
  return {
    name,
    uid: integer(uid, `${name}.uid`),
    netns: netns === undefined ? undefined : text(netns, `${name}.netns`),
    types: list(types, `${name}.types`, (type, path) => {
      if (Object.hasOwn(ProgramType, text(type, path))) return text(type, path);
      throw wrong(path, 'is no type of programs');
    }),
    hooks: list(hooks, `${name}.hooks`, text),
    interfaces: list(interfaces, `${name}.interfaces`, text),
    ...{ programs, maps, bytes },
  };
}

/** @throws {@link Refusal} that names what the grant lacks. */
export function requireAllowed(grant: Grant, spec: ObjectSpec, attach: readonly Attachment[]): void {
  const require = (what: string, value: string, allowed: readonly string[], fits = allowed.includes(value)): void => {
    if (fits) return;
    const message = `grant ${grant.name} is not for ${what} ${value}, but for ${allowed.join(', ') || 'none'}`;
    throw new Refusal(`ERR_GRANT_${what.toUpperCase()}`, message, { [what]: value });
  };
  for (const { type, autoload } of spec.programs.values())
    if (autoload) require('type', typeNames.get(type) ?? String(type), grant.types);
  for (const { pinning, name } of spec.maps.values())
    if (pinning !== 'none') throw new Refusal('ERR_OBJECT', `map ${name} is to be pinned at a path of its own`);
  for (const { hook = '', interface: name } of attach) {
    const possible = (name === undefined ? sections : networkHooks).test(hook);
    const granted = grant.hooks.some((each) =>
      each.endsWith('*') ? hook.startsWith(each.slice(0, -1)) : hook === each,
    );
    require('hook', hook, grant.hooks, possible && granted);
    if (name !== undefined) require('interface', name, grant.interfaces);
  }
}

/** @throws {@link Refusal} that names the quota that `used` and `wanted` are more than. */
export function requireRoom(grant: Grant, used: Usage, wanted: Usage): void {
  const quota = quotas.find((each) => used[each] + wanted[each] > grant[each]);
  if (quota === undefined) return;
  const numbers = { limit: grant[quota], used: used[quota], wanted: wanted[quota] };
  const message = `grant ${grant.name} has ${numbers.used} of ${numbers.limit} ${quota}: ${numbers.wanted} more are too many`;
  throw new Refusal('ERR_GRANT_QUOTA', message, { quota, ...numbers });
}

export function sum(usages: readonly Usage[]): Usage {
  const total = (quota: keyof Usage): number => usages.reduce((all, usage) => all + usage[quota], 0);
  return { programs: total('programs'), maps: total('maps'), bytes: total('bytes') };
}

/** Bytes that a full map has, without what the kernel needs beside: some maps take them only as they fill. */
export function capacity(map: { type: number; keySize: number; valueSize: number; maxEntries: number }): number {
  if (map.type === MapType.ARENA) return map.maxEntries * arenaPage;
  const values = perCpu.has(map.type) ? availableParallelism() : 1;
  return map.maxEntries * Math.max(map.keySize + map.valueSize * values, 1);
}
