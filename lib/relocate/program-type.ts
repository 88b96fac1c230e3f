import { AttachType, ProgramType } from '../abi/index.js';
import { nearestNames, quote, UsageError } from '../errors/index.js';
import { type ProgramSpec, sectionTable } from '../object/index.js';

import type { KernelFacts } from './load-plan.js';

/**
 * Refuses a program of which nobody has said what it is: its section's name means nothing.
 *
 * @throws {UsageError} with the nearest section names, and how to give the type by hand.
 */
export function checkProgramType(program: ProgramSpec): void {
  if (program.type !== ProgramType.UNSPEC) return;
  const section = program.section.replace(/^\?/, '');
  const known = sectionTable.map(({ pattern }) => pattern.replace(/\+$/, ''));
  const [family = section] = section.split('/');
  const suggestions = [...new Set([...nearestNames(section, known), ...nearestNames(family, known)])].slice(0, 3);
  const hint = known.includes(family)
    ? `; ${quote(family)} takes no such target`
    : suggestions.length === 0
      ? ''
      : `; did you mean ${suggestions.map((name) => quote(name)).join(' or ')}?`;
  throw new UsageError(
    `program ${quote(program.name)}: no type of program has a section named ${quote(section)}${hint}\n` +
      'Give the section a name that says the type, or set it before loading: ' +
      `spec.program(${quote(program.name)}).type = ProgramType.SOCKET_FILTER (and attachType where the type has several), ` +
      'or autoload = false to leave the program out',
    { code: 'ERR_EBPF_NOT_FOUND', suggestions },
  );
}

/** A program of section `usdt`, of which nobody has said how it is attached. */
export function attachesToProbes({ kind, type, attachType }: ProgramSpec): boolean {
  return kind === 'usdt' && type === ProgramType.KPROBE && attachType === 0;
}

/**
 * `expected_attach_type` of a program: that of links to many places for programs of section `usdt`, where the kernel has
 * such links.
 */
export function attachTypeOf(program: ProgramSpec, facts: KernelFacts): AttachType {
  return attachesToProbes(program) && facts.uprobeMulti === true ? AttachType.TRACE_UPROBE_MULTI : program.attachType;
}
