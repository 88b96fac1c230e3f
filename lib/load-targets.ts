import { inspect } from 'node:util';

import { ProgramType } from './abi/index.js';
import type { Btf } from './btf/index.js';
import { UsageError, quote, requireKnown } from './errors/index.js';
import { programTypes } from './kernel/index.js';
import type { ObjectSpec } from './object/index.js';
import { requireDevice, verifierLogLevels, type ProgramDevice, type VerifierLog } from './programs/index.js';
import { requireHandle, type Handle, type HeldObject } from './sys/index.js';

/** What a load says about a program of the object. */
export interface ProgramOptions {
  /**
   * The loaded program to whose function this one attaches: of `freplace`, and of `fentry`, `fexit` and `fsession` that are for a
   * function of another program, not of the kernel.
   */
  readonly target?: HeldObject | undefined;
  /** That function. Default: what the section says. */
  readonly function?: string | undefined;
  /** What the verifier is to write of this program, in place of what the load's option of that name says for all. */
  readonly verifierLog?: VerifierLog | undefined;
  /** The network interface that an XDP program is loaded for: {@link ProgramDevice} says what for. Default: for any. */
  readonly device?: ProgramDevice | undefined;
}

const programOptionNames = ['target', 'function', 'verifierLog', 'device'];

/** What is said of programs by their names, and is not of the spec. */
export interface AppliedPrograms {
  /** The programs to whose functions they attach. */
  readonly targets: ReadonlyMap<string, Handle>;
  readonly verifierLogs: ReadonlyMap<string, VerifierLog>;
  readonly devices: ReadonlyMap<string, ProgramDevice>;
}

/** Writes what programs attach to into the spec. */
export function applyPrograms(spec: ObjectSpec, programs: Readonly<Record<string, ProgramOptions>>): AppliedPrograms {
  const targets = new Map<string, Handle>();
  const verifierLogs = new Map<string, VerifierLog>();
  const devices = new Map<string, ProgramDevice>();
  for (const [name, change] of Object.entries(programs)) {
    const program = spec.programs.get(name);
    if (program === undefined) throw UsageError.notFound(`program of ${quote(spec.name)}`, name, spec.programs.keys());
    requireKnown(`option of program ${quote(name)}`, change, programOptionNames);
    const { target, function: place, verifierLog, device } = change;
    const path = `programs.${name}`;
    if (verifierLog !== undefined) verifierLogs.set(name, requireVerifierLog(`${path}.verifierLog`, verifierLog));
    if (device !== undefined) devices.set(name, requireDevice(`${path}.device`, program, device));
    if ((verifierLog ?? device) !== undefined && target === undefined && place === undefined) continue;
    if (program.type !== ProgramType.TRACING && program.type !== ProgramType.EXT) {
      throw UsageError.invalidValue(path, `section ${quote(program.section)} is not for a function of another program`);
    }
    if (place !== undefined && (typeof place !== 'string' || place === '')) {
      throw UsageError.invalidValue(`${path}.function`, `must be a function's name, not ${inspect(place)}`);
    }
    targets.set(name, requireHandle(`${path}.target`, target, 'program'));
    program.ofProgram = true;
    program.attachTo = place ?? program.attachTo;
  }
  return { targets, verifierLogs, devices };
}

/** One of the words of {@link VerifierLog}. */
export function requireVerifierLog(path: string, value: unknown): VerifierLog {
  if (typeof value === 'string' && Object.hasOwn(verifierLogLevels, value)) return value as VerifierLog;
  const known = Object.keys(verifierLogLevels).map(quote);
  throw UsageError.invalidValue(path, `must be one of ${known.join(', ')}, not ${inspect(value)}`);
}

/** The types of each of those programs. */
export function typesOf(targets: ReadonlyMap<string, Handle>): ReadonlyMap<string, Btf> {
  return new Map([...targets].map(([name, target]) => [name, programTypes(target, `programs.${name}.target`)]));
}
