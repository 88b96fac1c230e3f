import { quote, UnsupportedError } from '../errors/index.js';
import { kernelNameOf, type ObjectSpec, type ProgramSpec } from '../object/index.js';
import { applyCoreRelocations } from './apply-core-relocations.js';
import { applyReferences } from './apply-references.js';
import { attachBtfIdOf } from './attach-target.js';
import { btfForLoad } from './btf-for-load.js';
import { CoreResolver } from './core/core-resolver.js';
import { encodeFunctionInfo, encodeLineInfo, FUNCTION_INFO_RECORD_SIZE, LINE_INFO_RECORD_SIZE } from './debug-info.js';
import { FunctionLinker } from './function-linker.js';
import type { KernelFacts, LoadPlan, ProgramPlan } from './load-plan.js';
import { planMaps } from './map-plans.js';
import { needs } from './needs.js';
import { ProgramDraft } from './program-draft.js';
import { checkProgramType } from './program-type.js';

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
  const [unsupported] = object.unsupported;
  if (unsupported !== undefined) throw new UnsupportedError(unsupported.feature, unsupported.explanation);
  const programs = [...object.programs.values()].filter((program) => program.autoload);
  programs.forEach(checkProgramType);
  checkKernelBtf(object, facts);
  const attachBtfIds = new Map(programs.map((program) => [program, attachBtfIdOf(program, facts.btf)]));
  const linker = new FunctionLinker(object);
  const resolver = object.btf === undefined ? undefined : new CoreResolver(object.btf, facts.coreBtf ?? facts.btf);
  return {
    btf: btfForLoad(object, facts.btfKinds),
    maps: planMaps(object, facts),
    *programs(): Generator<ProgramPlan, void, undefined> {
      for (const program of programs) {
        yield relocateProgram(object, program, linker, resolver, attachBtfIds.get(program) ?? 0);
      }
    },
  };
}

function relocateProgram(
  object: ObjectSpec,
  spec: ProgramSpec,
  linker: FunctionLinker,
  resolver: CoreResolver | undefined,
  attachBtfId: number,
): ProgramPlan {
  const draft = new ProgramDraft(object, spec, linker);
  for (const placed of draft.functions.placed) {
    applyReferences(draft, placed);
    if (resolver !== undefined) applyCoreRelocations(draft, placed, resolver);
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
    attachBtfId,
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

function checkKernelBtf(object: ObjectSpec, facts: KernelFacts): void {
  if (facts.btf !== undefined) return;
  const { kernelBtf, attachesByBtf, reasons } = needs(object);
  if (!kernelBtf || (facts.coreBtf !== undefined && !attachesByBtf)) return;
  const shown = reasons.slice(0, 5).map((reason) => `\n    ${reason}`);
  const more = reasons.length > shown.length ? `\n    and ${reasons.length - shown.length} more` : '';
  throw new UnsupportedError(
    "the kernel's BTF",
    `${quote(object.name)} needs to know the kernel's types, and there is no /sys/kernel/btf/vmlinux to read them from. ` +
      'Kernels built with CONFIG_DEBUG_INFO_BTF=y have it. It is needed for:' +
      shown.join('') +
      more,
  );
}
