import { ProgramType } from '../../abi/index.js';
import type { ProgramSpec } from '../program-spec.js';
import { matchSection, sectionTable } from '../section-table.js';

/**
 * The name of the section that says what a program is: its own, unless the program was changed to be something else. A
 * program that no name can describe keeps its own.
 */
export function sectionNameFor(program: ProgramSpec): string {
  const own = program.section.replace(/^\?/, '');
  return (program.autoload ? '' : '?') + (describes(own, program) ? own : (describing(program) ?? own));
}

function describing(program: ProgramSpec): string | undefined {
  const target = program.attachTo === undefined ? '' : `/${program.attachTo}`;
  const names = sectionTable
    .filter(({ type, attachType }) => type === program.type && attachType === program.attachType)
    .sort((a, b) => Number(b.kind === program.kind) - Number(a.kind === program.kind))
    .map(({ pattern }) => pattern.replace(/\+$/, '') + target);
  return names.find((name) => describes(name, program));
}

function describes(name: string, { type, attachType, attachTo, flags }: ProgramSpec): boolean {
  const { rule, target } = matchSection(name);
  const { UNSPEC } = ProgramType;
  return (
    (rule?.type ?? UNSPEC) === type &&
    (rule?.attachType ?? 0) === attachType &&
    (rule?.flags ?? 0) === flags &&
    target === attachTo
  );
}
