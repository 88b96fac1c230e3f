import { quote, UnsupportedError } from '../errors/index.js';
import { kernelNameOf, type ObjectSpec, type ProgramSpec } from '../object/index.js';
import { applyCoreRelocations } from './apply-core-relocations.js';
import { arenaGlobalsOffset } from './arena.js';
import { applyReferences, type ReferenceTools } from './apply-references.js';
import { attachmentOf, type Attachment } from './attach-target.js';
import { btfForLoad } from './btf-for-load.js';
import { CoreResolver } from './core/core-resolver.js';
import { encodeFunctionInfo, encodeLineInfo, FUNCTION_INFO_RECORD_SIZE, LINE_INFO_RECORD_SIZE } from './debug-info.js';
import { ExternResolver } from './extern-resolver.js';
import { FunctionLinker } from './function-linker.js';
import type { KernelFacts, LoadPlan, Needs, ProgramPlan } from './load-plan.js';
import { LogNumbers } from './log-numbers.js';
import { planMaps } from './map-plans.js';
import { needs, needsOf } from './needs.js';
import { isOptional, ProgramFailures } from './optional-programs.js';
import { ProgramDraft } from './program-draft.js';
import { checkProgramType } from './program-type.js';
import { programsToLoad } from './programs-to-load.js';
import { planStructOps } from './struct-ops.js';

/**
 * Adapts an object to a kernel: maps as that kernel wants them, and each program with its functions, global variables
 * and CO-RE relocations in place. Pure: nothing is asked of a kernel and the object is not changed, so one object can be
 * relocated for many kernels.
 *
 * What can be known without relocating code is checked at once; the rest when a program is taken from
 * `plan.programs()`.
 *
 * @throws {UnsupportedError} for an object of the other byte order, and when the kernel's BTF is needed and missing.
 * @throws {UsageError} for a program whose section says no type, or whose target the kernel does not have.
 * @throws {RelocationError} from `programs()`: what the code refers to does not fit the kernel or the object.
 *
 * @example
 * ```ts
 * const plan = relocate(spec, { littleEndian: true, btf, possibleCpus: 8, pageSize: 4096 });
 * for (const program of plan.programs()) console.log(program.spec.name, disassemble(program.code, true));
 * ```
 */
export function relocate(object: ObjectSpec, facts: KernelFacts): LoadPlan {
  checkByteOrder(object, facts);
  checkKernelBtf(object.name, facts, () => needs(object));
  const structOps = planStructOps(object, facts);
  const programs = programsToLoad(object).filter((program) => !structOps.leftOut.has(program.name));
  programs.forEach(checkProgramType);
  const failures = new ProgramFailures();
  const attachments = new Map<ProgramSpec, Attachment>();
  for (const program of programs) {
    const attachment = failures.attempt(program, () => {
      if (isOptional(program)) checkKernelBtf(object.name, facts, () => needsOf(object, program));
      return attachmentOf(program, facts, structOps);
    });
    if (attachment !== undefined) attachments.set(program, attachment);
  }
  let externs: ExternResolver | undefined;
  const tools: Tools = {
    linker: new FunctionLinker(object),
    core: coreResolver(object, facts),
    externs: () => (externs ??= new ExternResolver(object, facts)),
    arenaOffset: arenaGlobalsOffset(object, facts),
    logs: new LogNumbers(),
  };
  const warnings: string[] = [];
  return {
    btf: btfForLoad(object, facts.btfKinds),
    maps: planMaps(object, facts, { warnings, structOps: structOps.maps }),
    warnings,
    logs: tools.logs.logs,
    leftOut: failures.errors,
    *programs(): Generator<ProgramPlan, void, undefined> {
      for (const [program, attachment] of attachments) {
        const plan = failures.attempt(program, () => relocateProgram(object, program, tools, attachment));
        if (plan !== undefined) yield plan;
      }
    },
  };
}

/** What all programs of a plan are relocated with. */
interface Tools extends ReferenceTools {
  readonly linker: FunctionLinker;
  readonly core: CoreResolver | undefined;
}

/** Types that were given in place of the kernel's stand alone: the modules are not of that kernel's. */
function coreResolver({ btf }: ObjectSpec, { btf: own, coreBtf, modules }: KernelFacts): CoreResolver | undefined {
  if (btf === undefined) return undefined;
  return coreBtf === undefined ? new CoreResolver(btf, own, modules) : new CoreResolver(btf, coreBtf);
}

function relocateProgram(
  object: ObjectSpec,
  spec: ProgramSpec,
  { linker, core, ...tools }: Tools,
  { target, attachType }: Attachment,
): ProgramPlan {
  const draft = new ProgramDraft(object, spec, linker);
  for (const placed of draft.functions.placed) {
    applyReferences(draft, placed, tools);
    if (core !== undefined) applyCoreRelocations(draft, placed, core);
    else if (placed.spec.coreRelocations.offsets.length > 0) {
      throw draft.error('it has CO-RE relocations, and the object has no BTF that says what they mean', placed.start);
    }
  }
  const hasBtf = object.btfBytes !== undefined;
  const { littleEndian } = object;
  const functionInfo = hasBtf ? encodeFunctionInfo(draft.functions, littleEndian) : undefined;
  return {
    spec,
    kernelName: kernelNameOf(spec.name),
    code: draft.code,
    bindings: draft.bindings.sort((a, b) => a.offset - b.offset),
    moduleBindings: draft.moduleBindings.sort((a, b) => a.offset - b.offset),
    jumpTables: [...draft.jumpTables.values()],
    functionModules: draft.functionModules,
    attachBtfId: target?.id ?? 0,
    attachModule: target?.module,
    attachType,
    functionInfo,
    functionInfoRecordSize: FUNCTION_INFO_RECORD_SIZE,
    lineInfo: hasBtf ? encodeLineInfo(draft.functions, littleEndian) : undefined,
    lineInfoRecordSize: LINE_INFO_RECORD_SIZE,
    poisons: draft.poisons.sort((a, b) => a.instruction - b.instruction),
    sourceLine: (instruction) => draft.sourceLine(instruction),
  };
}

function checkByteOrder(object: ObjectSpec, facts: KernelFacts): void {
  if (object.littleEndian === facts.littleEndian) return;
  const [ours, theirs] = object.littleEndian ? ['little', 'big'] : ['big', 'little'];
  throw new UnsupportedError(
    `${ours}-endian objects on a ${theirs}-endian kernel`,
    `${quote(object.name)} was compiled for the other byte order; compile it with --target=bpf${theirs === 'big' ? 'eb' : 'el'}`,
  );
}

function checkKernelBtf(object: string, facts: KernelFacts, needed: () => Needs): void {
  if (facts.btf !== undefined) return;
  const { kernelBtf, kernelIds, reasons } = needed();
  if (!kernelBtf || (facts.coreBtf !== undefined && !kernelIds)) return;
  const shown = reasons.slice(0, 5).map((reason) => `\n    ${reason}`);
  const more = reasons.length > shown.length ? `\n    and ${reasons.length - shown.length} more` : '';
  throw new UnsupportedError(
    "the kernel's BTF",
    `${quote(object)} needs to know the kernel's types, and there is no /sys/kernel/btf/vmlinux to read them from. ` +
      'Kernels built with CONFIG_DEBUG_INFO_BTF=y have it. It is needed for:' +
      shown.join('') +
      more,
  );
}
