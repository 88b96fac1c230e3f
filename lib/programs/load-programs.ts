import { setImmediate as nextTurn } from 'node:timers/promises';

import { ProgramType } from '../abi/index.js';
import type { ModuleDescriptors } from '../kernel/index.js';
import { ProgramFlag, type ProgramSpec } from '../object/index.js';
import type { EbpfError } from '../errors/index.js';
import { isOfProgramAlone, isOptional, type LoadPlan, type ProgramPlan } from '../relocate/index.js';
import {
  loadProgram,
  BOUND_ONLY,
  LogLevel,
  type CodeBinding,
  type Handle,
  type LoadProgramOptions,
  type LoadProgramResult,
} from '../sys/index.js';

import type { ReplacedFunction } from './dispatched.js';
import { JumpTableMaps } from './jump-tables.js';
import { loadFailure } from './load-failure.js';
import type { LoadDevice } from './program-device.js';

/**
 * What the verifier is asked to write of programs that it takes: nothing, how much work it had, or every instruction that
 * it looked at.
 */
export type VerifierLog = 'failure' | 'statistics' | 'always';

/** `log_level` of a load. */
export const verifierLogLevels: Readonly<Record<VerifierLog, number>> = {
  failure: 0,
  statistics: LogLevel.STATISTICS,
  always: LogLevel.ALL | LogLevel.STATISTICS,
};

/** What all programs of an object share. */
export interface LoadContext {
  readonly maps: ReadonlyMap<string, Handle>;
  readonly btf: Handle | undefined;
  readonly modules: ModuleDescriptors;
  /** The loaded programs to whose functions programs attach, by the name of the program that does. */
  readonly targets: ReadonlyMap<string, Handle>;
  /** The interfaces that programs are loaded for, by the names of those. */
  readonly devices: ReadonlyMap<string, LoadDevice>;
  readonly license: string;
  readonly kernelVersion: number;
  readonly verifierLog: VerifierLog;
  /** Of single programs, by name. */
  readonly verifierLogs: ReadonlyMap<string, VerifierLog>;
  readonly token: Handle | undefined;
  readonly signal: AbortSignal | undefined;
  /** Programs that are loaded to take the place of functions of other programs (BPF_PROG_TYPE_EXT), by name. */
  readonly replaced?: ReadonlyMap<string, ReplacedFunction> | undefined;
}

/** A program that the kernel took. */
export interface LoadedProgram {
  readonly spec: ProgramSpec;
  readonly handle: Handle;
  /** What the verifier wrote; empty when it was not asked to. */
  readonly log: string;
}

/** Who is told of each program as soon as the kernel has answered, so that what was loaded can be closed when a later one fails. */
export interface LoadOutcome {
  readonly loaded: (program: LoadedProgram) => void;
  /** Of an optional program that the kernel does not take. */
  readonly leftOut: (name: string, error: EbpfError) => void;
}

/** Loads the programs of a plan in order: the next one is relocated while the verifier works on the current. */
export async function loadPrograms(plan: LoadPlan, context: LoadContext, outcome: LoadOutcome): Promise<void> {
  let working: Promise<void> = Promise.resolve();
  try {
    for (const program of plan.programs()) {
      // Relocating took this thread's time: others come first.
      await nextTurn();
      await working;
      context.signal?.throwIfAborted();
      working = loadIfPossible(program, context, outcome);
      // Its failure is seen above or below; until then it must not count as unhandled.
      working.catch(() => undefined);
    }
  } finally {
    // Also when the next program cannot be relocated: nothing may be loaded after this has returned.
    await working;
  }
  context.signal?.throwIfAborted();
}

async function loadIfPossible(plan: ProgramPlan, context: LoadContext, outcome: LoadOutcome): Promise<void> {
  try {
    await loadOne(plan, context, outcome.loaded);
  } catch (error) {
    if (!isOptional(plan.spec) || !isOfProgramAlone(error)) throw error;
    outcome.leftOut(plan.spec.name, error);
  }
}

async function loadOne(
  plan: ProgramPlan,
  context: LoadContext,
  loaded: (program: LoadedProgram) => void,
): Promise<void> {
  if (plan.jumpTables.length === 0) {
    loaded(await loadWith(plan, context, []));
    return;
  }
  const jumpTables = new JumpTableMaps(context.token);
  try {
    loaded(await loadWith(plan, context, await jumpTables.create(plan)));
  } finally {
    jumpTables.close();
  }
}

async function loadWith(
  plan: ProgramPlan,
  context: LoadContext,
  jumpTables: readonly CodeBinding[],
): Promise<LoadedProgram> {
  const { spec } = plan;
  const typed = context.btf !== undefined;
  const replaced = context.replaced?.get(spec.name);
  const device = context.devices.get(spec.name);
  const result: LoadProgramResult = await loadProgram({
    type: spec.type,
    name: plan.kernelName,
    code: plan.code,
    bindings: [...bindingsOf(plan, context), ...jumpTables],
    functionModules: plan.functionModules.map((module) => context.modules.open(module)),
    license: context.license,
    expectedAttachType: plan.attachType,
    attachBtfId: plan.attachBtfId,
    attachBtf: attachObject(plan, context),
    flags: device?.mode === 'bound' ? spec.flags | BOUND_ONLY : spec.flags,
    device,
    token: context.token,
    kernelVersion: context.kernelVersion,
    btf: context.btf,
    functionInfo: typed ? plan.functionInfo : undefined,
    functionInfoRecordSize: plan.functionInfoRecordSize,
    lineInfo: typed ? plan.lineInfo : undefined,
    lineInfoRecordSize: plan.lineInfoRecordSize,
    logLevel: verifierLogLevels[context.verifierLogs.get(spec.name) ?? context.verifierLog],
    ...(replaced === undefined ? {} : extensionOf(spec, replaced)),
  });
  if (result.handle === undefined) throw await loadFailure(plan, result, { token: context.token, device });
  return { spec, handle: result.handle, log: result.log };
}

/** Whether packets come in several buffers is up to the program whose function is replaced. */
function extensionOf({ flags }: ProgramSpec, { program, functionId }: ReplacedFunction): Partial<LoadProgramOptions> {
  return {
    type: ProgramType.EXT,
    expectedAttachType: 0,
    attachBtfId: functionId,
    attachBtf: program,
    flags: flags & ~ProgramFlag.XDP_HAS_FRAGS,
  };
}

/** Whose function or type `attachBtfId` is: that of a program or a module. */
function attachObject({ spec, attachModule }: ProgramPlan, { targets, modules }: LoadContext): Handle | undefined {
  return targets.get(spec.name) ?? (attachModule === undefined ? undefined : modules.open(attachModule));
}

function bindingsOf(plan: ProgramPlan, { maps, modules }: LoadContext): CodeBinding[] {
  const ofMaps = plan.bindings.flatMap(({ offset, map }) => {
    const handle = maps.get(map);
    return handle === undefined ? [] : [{ offset, handle }];
  });
  return [...ofMaps, ...plan.moduleBindings.map(({ offset, module }) => ({ offset, handle: modules.open(module) }))];
}
