import { MapType } from './abi/index.js';
import { Btf } from './btf/index.js';
import { loadTemplate } from './dispatcher/index.js';
import { EbpfError, UnsupportedError, quote } from './errors/index.js';
import { ModuleDescriptors, capabilitiesFor, explainPermission, toLoadBtf } from './kernel/index.js';
import { CreatedMaps, type BpfMap, type DecodeOptions } from './maps/index.js';
import type { ObjectSpec, ProgramLog } from './object/index.js';
import {
  loadPrograms,
  type DispatchDefaults,
  type LoadDevice,
  type LoadedProgram,
  type ReplacedFunction,
  type VerifierLog,
} from './programs/index.js';
import { refusedStruct, type LoadPlan, type MapPlan } from './relocate/index.js';
import { loadBtf, type Handle } from './sys/index.js';

/** How a plan is loaded. */
export interface LoadContext {
  readonly reused: ReadonlyMap<string, BpfMap>;
  readonly decode: DecodeOptions;
  readonly verifierLog: VerifierLog;
  /** Of single programs, by name. */
  readonly verifierLogs: ReadonlyMap<string, VerifierLog>;
  /** XDP programs that are loaded for a dispatcher, by name. */
  readonly dispatched: ReadonlyMap<string, DispatchDefaults>;
  readonly targets: ReadonlyMap<string, Handle>;
  /** The interfaces that programs are loaded for, by the names of those. */
  readonly devices: ReadonlyMap<string, LoadDevice>;
  /** A BPF token that gives the right to it. */
  readonly token: Handle | undefined;
  readonly signal: AbortSignal | undefined;
}

/** What a load left in the kernel, and what it was made from. */
export interface LoadedParts {
  readonly spec: ObjectSpec;
  readonly mapPlans: readonly MapPlan[];
  readonly maps: CreatedMaps;
  readonly programs: readonly LoadedProgram[];
  /** Why optional programs were left out, by their names. */
  readonly leftOut: ReadonlyMap<string, EbpfError>;
  /** What they log, by its number less one. */
  readonly logs: readonly ProgramLog[];
  readonly context: LoadContext;
}

/**
 * Gives a plan to the kernel: BTF, maps, programs, in this order. Whatever fails, nothing of it stays.
 */
export async function loadParts(spec: ObjectSpec, plan: LoadPlan, context: LoadContext): Promise<LoadedParts> {
  const { signal, reused, verifierLog, verifierLogs, dispatched, targets, devices, token } = context;
  const maps = new CreatedMaps();
  const programs: LoadedProgram[] = [];
  const refused = new Map<string, EbpfError>();
  const modules = new ModuleDescriptors();
  let btf: Handle | undefined;
  let template: Handle | undefined;
  try {
    btf = await loadObjectBtf(spec, plan, token);
    await maps.create(plan.maps, { btf, modules, reused, devices: devicesOfMaps(plan, devices), token, signal });
    signal?.throwIfAborted();
    const { license, kernelVersion } = spec;
    const replaced = new Map<string, ReplacedFunction>();
    if (dispatched.size > 0) {
      const { handle, slotIds } = await loadTemplate(token);
      template = handle;
      for (const name of dispatched.keys()) replaced.set(name, { program: handle, functionId: slotIds[0] ?? 0 });
    }
    const shared = {
      maps: maps.handles,
      btf,
      modules,
      targets,
      devices,
      license,
      kernelVersion,
      verifierLog,
      verifierLogs,
      token,
      signal,
      replaced,
    };
    await loadPrograms(plan, shared, {
      loaded: (program) => {
        programs.push(program);
      },
      leftOut: (name, error) => {
        refused.set(name, error);
      },
    });
    if (programs.length === 0) requireRights(refused);
    maps.fillProgramSlots(plan.maps, new Map(programs.map((program) => [program.spec.name, program.handle])));
  } catch (error) {
    for (const { handle } of programs) handle.close();
    maps.undo();
    throw error;
  } finally {
    // Maps and programs have references of their own.
    btf?.close();
    template?.close();
    modules.close();
  }
  const leftOut = new Map([...plan.leftOut, ...refused]);
  return { spec, mapPlans: plan.maps, maps, programs, leftOut, logs: plan.logs, context };
}

/** The interfaces whose cards run programs that use maps, by the names of the maps: a card's program can use only its own. */
function devicesOfMaps(plan: LoadPlan, devices: ReadonlyMap<string, LoadDevice>): ReadonlyMap<string, LoadDevice> {
  const found = new Map<string, LoadDevice>();
  if (devices.size === 0) return found;
  for (const { spec, bindings } of plan.programs()) {
    const device = devices.get(spec.name);
    if (device?.mode !== 'offload') continue;
    for (const { map } of bindings) if (!plan.maps.some(isOfHost(map))) found.set(map, device);
  }
  return found;
}

/** Where a card's events go to. */
const isOfHost =
  (name: string) =>
  ({ spec }: MapPlan): boolean =>
    spec.name === name && spec.type === MapType.PERF_EVENT_ARRAY;

/** Who may load nothing of an object does not do without some programs of it. */
function requireRights(refused: ReadonlyMap<string, EbpfError>): void {
  for (const error of refused.values()) if (error.code === 'ERR_EBPF_PERMISSION') throw error;
}

const refusals: ReadonlySet<string | undefined> = new Set(['EINVAL', 'ENOTSUPP', 'E2BIG']);

const needsTypes = ({ structOps, specialFields }: MapPlan): boolean =>
  structOps !== undefined || specialFields.length > 0;

/** Types that the kernel refuses, as those of old compilers, are done without where nothing needs them. */
async function loadObjectBtf(
  spec: ObjectSpec,
  { btf, maps }: LoadPlan,
  token: Handle | undefined,
): Promise<Handle | undefined> {
  if (btf === undefined) return undefined;
  try {
    return await loadBtf(btf, token);
  } catch (error) {
    if (!EbpfError.is(error)) throw error;
    if (refusals.has(error.errnoName)) {
      const fault = refusedStruct(Btf.parse(btf, { name: spec.name }));
      if (maps.some(needsTypes)) {
        if (fault === undefined) throw error;
        throw new UnsupportedError(`types of ${quote(spec.name)}`, `the kernel refuses them: ${fault}`, {
          cause: error,
        });
      }
      const reason = fault ?? error.message;
      const message = `${quote(spec.name)} is loaded without its types, which the kernel refuses: ${reason}`;
      process.emitWarning(message, { type: 'EbpfWarning', code: 'EBPF_LOAD' });
      return undefined;
    }
    if (error.errnoName !== 'EPERM') throw error;
    // It is the first call of a load: say what the rest will need too, not one capability after the other.
    const types = [...spec.programs.values()].filter(({ autoload }) => autoload).map(({ type }) => type);
    throw explainPermission(error, {
      what: `load ${quote(spec.name)}`,
      capabilities: capabilitiesFor(types),
      delegation: toLoadBtf,
      token,
    });
  }
}
