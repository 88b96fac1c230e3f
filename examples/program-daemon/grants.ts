// What clients and the file of grants may say, and what is refused.
import { ProgramType, programTypeName, type ObjectSpec } from 'node-ebpf';
import { z } from 'zod';

/** A name that becomes a file's: BPF file systems take no dots. */
const label = z.string().regex(/^[A-Za-z0-9_-]{1,40}$/, 'must be of 1 to 40 letters, digits, - and _');
const count = z.int().min(0);

const grant = z.strictObject({
  /** The user whose socket it is. */
  uid: count,
  /** The file of the network namespace that has the interfaces; without it the daemon's own. */
  netns: z.string().optional(),
  /** Types of programs in the kernel's words: `XDP`, `SCHED_CLS`. */
  types: z.array(z.enum(Object.keys(ProgramType))).default([]),
  /** `xdp`, `tc/ingress`, `tc/egress`, and sections such as `tracepoint/sched/*`. */
  hooks: z.array(z.string()).default([]),
  interfaces: z.array(z.string()).default([]),
  /** How much may be loaded at the same time; `bytes` of the kernel's memory. */
  ...{ programs: count, maps: count, bytes: count },
});
export const grantsFile = z
  .record(label, grant)
  .transform((grants) => Object.entries(grants).map(([name, each]) => ({ name, ...each })));
export type Grant = z.infer<typeof grantsFile>[number];
export type Usage = Pick<Grant, 'programs' | 'maps' | 'bytes'>;

/** A program, and where it is attached: at `hook` of an interface, or, without both, where its section says. */
const attachment = z
  .strictObject({
    program: z.string(),
    /** `xdp`, `tc/ingress` or `tc/egress`, of which each runs the programs of lower priorities first. */
    hook: z.string().optional(),
    interface: z.string().optional(),
    priority: z.int().min(1).max(65_535).default(50),
  })
  .refine(
    ({ hook, interface: name }) => (hook === undefined) === (name === undefined),
    'needs a hook and an interface',
  );
export type Attachment = z.infer<typeof attachment>;

const load = z.strictObject({
  do: z.literal('load'),
  name: label,
  object: z.string().transform((text) => Buffer.from(text, 'base64')),
  variables: z.record(z.string(), z.unknown()).default({}),
  attach: z.array(attachment).min(1).max(32),
});
export type Load = z.infer<typeof load>;

export const anyRequest = z.discriminatedUnion('do', [
  load,
  z.strictObject({ do: z.literal('unload'), name: label }),
  z.strictObject({ do: z.literal('list') }),
  z.strictObject({ do: z.literal('trace') }),
]);
export type Request = z.infer<typeof anyRequest>;

/** A request that is not done, and why: `details` name what is at fault. */
export class Refusal extends Error {
  readonly code: string;
  readonly details: object;

  constructor(code: string, message: string, details: object = {}) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

/** What a JSON text says, if it is as the schema wants it. @throws {@link Refusal} that names the member at fault. */
export function parse<Schema extends z.ZodType>(schema: Schema, json: string, what: string): z.output<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new Refusal('ERR_REQUEST', `${what} is no JSON: ${String(error)}`, { path: what });
  }
  const { data, error } = schema.safeParse(value);
  if (error === undefined) return data;
  const path = z.core.toDotPath(error.issues[0]?.path ?? []) || what;
  throw new Refusal('ERR_REQUEST', z.prettifyError(error), { path });
}

/** Hooks of interfaces. */
const networkHooks = /^(?:xdp|tc\/ingress|tc\/egress)$/;
/** Sections that say where a program belongs, but name no file: clients are not to have the daemon open any. */
const sections = /^(?:tp|tracepoint|raw_tp|raw_tracepoint|tp_btf|k(?:ret)?probe|k(?:ret)?syscall|fentry|fexit|lsm)\//;

/** @throws {@link Refusal} that names what the grant lacks. */
export function requireAllowed(grant: Grant, spec: ObjectSpec, attach: readonly Attachment[]): void {
  const require = (what: string, value: string, allowed: readonly string[], fits = allowed.includes(value)): void => {
    if (fits) return;
    const message = `grant ${grant.name} is not for ${what} ${value}, but for ${allowed.join(', ') || 'none'}`;
    throw new Refusal(`ERR_GRANT_${what.toUpperCase()}`, message, { [what]: value });
  };
  for (const { type, autoload } of spec.programs.values())
    if (autoload) require('type', programTypeName(type), grant.types);
  for (const { pinning, name } of spec.maps.values())
    if (pinning !== 'none') throw new Refusal('ERR_OBJECT', `map ${name} is to be pinned at a path of its own`);
  for (const { hook = '', interface: name } of attach) {
    const possible = (name === undefined ? sections : networkHooks).test(hook);
    const granted = grant.hooks.some(
      (each) => hook === each || (each.endsWith('*') && hook.startsWith(each.slice(0, -1))),
    );
    require('hook', hook, grant.hooks, possible && granted);
    if (name !== undefined) require('interface', name, grant.interfaces);
  }
}

/** @throws {@link Refusal} that names the quota that `used` and `wanted` are more than. */
export function requireRoom(grant: Grant, used: Usage, wanted: Usage): void {
  for (const quota of ['programs', 'maps', 'bytes'] as const) {
    const numbers = { limit: grant[quota], used: used[quota], wanted: wanted[quota] };
    if (numbers.used + numbers.wanted <= numbers.limit) continue;
    const words = `${numbers.used} of ${numbers.limit} ${quota}: ${numbers.wanted} more are too many`;
    throw new Refusal('ERR_GRANT_QUOTA', `grant ${grant.name} has ${words}`, { quota, ...numbers });
  }
}

/** What is loaded, by its parts. */
export function usageOf(
  all: readonly { programs: readonly object[]; maps: readonly object[]; bytes: number }[],
): Usage {
  const used = { programs: 0, maps: 0, bytes: 0 };
  for (const { programs, maps, bytes } of all) {
    used.programs += programs.length;
    used.maps += maps.length;
    used.bytes += bytes;
  }
  return used;
}
