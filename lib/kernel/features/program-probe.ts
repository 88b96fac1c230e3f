import { AttachType, HelperId, ProgramType } from '../../abi/index.js';
import { CodeBuilder } from '../../asm/index.js';
import { hostIsLittleEndian as littleEndian } from '../../binary/index.js';
import { BtfKind } from '../../btf/index.js';
import { UnsupportedError } from '../../errors/index.js';
import { loadProgram, type Handle, type LoadProgramOptions } from '../../sys/index.js';
import { toLoadProgram } from '../delegation-needs.js';
import { isMissingCapability } from '../explain-permission.js';
import { kernelBtf } from '../kernel-btf.js';
import { capabilitiesFor } from '../required-capabilities.js';

import { nameOf, no, readRefusal, undecided, yes, type Feature, type Question } from './feature.js';

/** BPF_F_SLEEPABLE */
const sleepable = 16;

/** What the smallest program of a type needs beside its code. Types that are not here need nothing. */
const needs: ReadonlyMap<ProgramType, Partial<LoadProgramOptions>> = new Map<ProgramType, Partial<LoadProgramOptions>>([
  [ProgramType.CGROUP_SOCK_ADDR, { expectedAttachType: AttachType.CGROUP_INET4_CONNECT }],
  [ProgramType.CGROUP_SOCKOPT, { expectedAttachType: AttachType.CGROUP_GETSOCKOPT }],
  [ProgramType.SK_LOOKUP, { expectedAttachType: AttachType.SK_LOOKUP }],
  [ProgramType.SK_REUSEPORT, { expectedAttachType: AttachType.SK_REUSEPORT_SELECT }],
  [ProgramType.NETFILTER, { expectedAttachType: AttachType.NETFILTER }],
  [ProgramType.SYSCALL, { flags: sleepable }],
  // Type 1 is no function or tracepoint in any kernel's BTF. Only the verifier finds that, so the type must be known to get there.
  [ProgramType.TRACING, { expectedAttachType: AttachType.TRACE_RAW_TP, attachBtfId: 1 }],
  [ProgramType.LSM, { expectedAttachType: AttachType.LSM_MAC, attachBtfId: 1 }],
  [ProgramType.EXT, { attachBtfId: 1 }],
  [ProgramType.STRUCT_OPS, { attachBtfId: 1 }],
]);

function question(type: ProgramType, what: string, options: Partial<LoadProgramOptions>): Question {
  const { expectedAttachType = 0 } = { ...needs.get(type), ...options };
  return {
    ...{ what, syscall: 'bpf(BPF_PROG_LOAD)', capabilities: capabilitiesFor([type]) },
    ...{ delegation: toLoadProgram(type, expectedAttachType), token: options.token },
  };
}

async function attempt(
  type: ProgramType,
  code: CodeBuilder,
  options: Partial<LoadProgramOptions> = {},
): Promise<Awaited<ReturnType<typeof loadProgram>>> {
  return loadProgram({
    type,
    name: 'probe',
    code: code.toBytes(),
    bindings: [],
    license: 'GPL',
    ...needs.get(type),
    ...options,
  });
}

function returnZero(): CodeBuilder {
  return new CodeBuilder({ littleEndian }).move(0, 0).exit();
}

/** Whether programs of a type can be loaded. */
export async function probeProgramType(type: ProgramType, token?: Handle): Promise<Feature> {
  const name = nameOf(ProgramType, type);
  const result = await attempt(type, returnZero(), { token });
  if (result.handle !== undefined) {
    result.handle.close();
    return yes(`a program of type ${name} was loaded`);
  }
  // The verifier is asked after the type was found.
  if (result.log !== '') return yes(`the verifier knows programs of type ${name}: ${lastLine(result.log)}`);
  return readRefusal(result.errno, question(type, `load a program of type ${name}`, { token }));
}

/** Loads the smallest program of a type, for a probe that goes on from there; the caller closes it. */
export async function minimalProgram(
  type: ProgramType,
  options: Partial<LoadProgramOptions> = {},
): Promise<Handle | Feature> {
  const result = await attempt(type, returnZero(), options);
  if (result.handle !== undefined) return result.handle;
  const name = nameOf(ProgramType, type);
  if (result.log !== '') return no(`the verifier refused a program of type ${name}: ${lastLine(result.log)}`);
  return readRefusal(result.errno, question(type, `load a program of type ${name}`, options));
}

/** What the verifier writes about a call of a helper that it does not know, or not for this type. */
const unknownHelper = /^(?:invalid func |unknown func |program of this type cannot use helper ).*$/m;

/** Whether programs of a type may call a helper. */
export async function probeHelper(type: ProgramType, helper: HelperId, token?: Handle): Promise<Feature> {
  const typeName = nameOf(ProgramType, type);
  const what = `call helper bpf_${nameOf(HelperId, helper)} from programs of type ${typeName}`;
  const target = { ...(await realTarget(type, what)), token };
  const result = await attempt(type, new CodeBuilder({ littleEndian }).call(helper).exit(), target);
  if (result.handle !== undefined) {
    result.handle.close();
    return yes(`a program of type ${typeName} that calls it was loaded`);
  }
  const asked = question(type, what, target);
  if (result.log === '') return readRefusal(result.errno, asked);
  const [refusal] = unknownHelper.exec(result.log) ?? [];
  if (refusal === undefined) return yes('the verifier went on to look at the arguments of the call');
  // Helpers that need a capability are as good as absent for a process without it.
  if (asked.capabilities.some((capability) => isMissingCapability(capability))) throw undecided(-1, asked);
  return no(`cannot ${what}: ${refusal}`);
}

/** Programs that attach by BTF get to the helpers only with a real target. */
async function realTarget(type: ProgramType, what: string): Promise<Partial<LoadProgramOptions>> {
  if (type === ProgramType.TRACING) {
    const attachBtfId = (await kernelBtf()).find('btf_trace_sched_process_exec', BtfKind.TYPEDEF) ?? 1;
    return { expectedAttachType: AttachType.TRACE_RAW_TP, attachBtfId };
  }
  if (type === ProgramType.LSM) {
    return { attachBtfId: (await kernelBtf()).find('bpf_lsm_file_open', BtfKind.FUNC) ?? 1 };
  }
  if (type === ProgramType.EXT || type === ProgramType.STRUCT_OPS) {
    throw new UnsupportedError(
      'asking for helpers of EXT and STRUCT_OPS programs',
      `cannot ${what} as a test: what they may call depends on what they replace`,
    );
  }
  return {};
}

function lastLine(log: string): string {
  return JSON.stringify(
    log
      .trimEnd()
      .split('\n')
      .filter((line) => !line.startsWith('processed '))
      .at(-1) ?? '',
  );
}
