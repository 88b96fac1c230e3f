import { inspect } from 'node:util';

import { ProgramType } from './abi/index.js';
import type { Btf } from './btf/index.js';
import { UsageError, quote, requireKnown } from './errors/index.js';
import { programTypes } from './kernel/index.js';
import type { ObjectSpec } from './object/index.js';
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
}

const programOptionNames = ['target', 'function'];

/** Writes what programs attach to into the spec; returns the programs that have it, by the name of the one that attaches. */
export function applyTargets(
  spec: ObjectSpec,
  programs: Readonly<Record<string, ProgramOptions>>,
): Map<string, Handle> {
  const targets = new Map<string, Handle>();
  for (const [name, change] of Object.entries(programs)) {
    const program = spec.programs.get(name);
    if (program === undefined) throw UsageError.notFound(`program of ${quote(spec.name)}`, name, spec.programs.keys());
    requireKnown(`option of program ${quote(name)}`, change, programOptionNames);
    const { target, function: place } = change;
    const path = `programs.${name}`;
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
  return targets;
}

/** The types of each of those programs. */
export function typesOf(targets: ReadonlyMap<string, Handle>): ReadonlyMap<string, Btf> {
  return new Map([...targets].map(([name, target]) => [name, programTypes(target, `programs.${name}.target`)]));
}
