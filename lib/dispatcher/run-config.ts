import { AttachType, ProgramType } from '../abi/index.js';
import { BtfKind, type Btf } from '../btf/index.js';
import { UsageError, quote } from '../errors/index.js';
import { ProgramFlag, type ObjectSpec, type ProgramSpec } from '../object/index.js';
import type { DispatchDefaults } from '../programs/index.js';

import { bitOfConstant, bitsOf } from './xdp-actions.js';

/** What libxdp takes where an object says nothing. */
const defaults = { priority: 50, continueOn: bitsOf('continueOn', ['pass']) };

/**
 * The programs of an object that are to be loaded for a dispatcher, with what the object says about how they run: `true` for all
 * of section `xdp`, or their names.
 *
 * @throws {@link UsageError} for names of other programs.
 */
export function dispatchedPrograms(
  spec: ObjectSpec,
  wanted: boolean | readonly string[],
): ReadonlyMap<string, DispatchDefaults> {
  // Those that are not loaded are none of its affair: without them the kernel need not be able to.
  const all = [...spec.programs.values()].filter((program) => program.autoload && isForInterfaces(program));
  const names: unknown = wanted === true ? all.map(({ name }) => name) : wanted === false ? [] : wanted;
  if (!Array.isArray(names)) throw UsageError.invalidValue('dispatched', 'must be true, or names of programs');
  const programs = new Map<string, DispatchDefaults>();
  for (const name of names as string[]) {
    const program = spec.program(name);
    if (!isForInterfaces(program)) {
      const problem = `program ${quote(name)}, of section ${quote(program.section)}, is none that runs at an interface`;
      throw UsageError.invalidValue('dispatched', problem);
    }
    const fragments = (program.flags & ProgramFlag.XDP_HAS_FRAGS) !== 0;
    programs.set(name, { ...defaults, ...runConfig(spec.btf, name), fragments });
  }
  return programs;
}

function isForInterfaces({ type, attachType }: ProgramSpec): boolean {
  return type === ProgramType.XDP && (attachType === AttachType.XDP || attachType === 0);
}

/**
 * What `XDP_RUN_CONFIG(name)` of libxdp's xdp_helpers.h declares: a variable of section `.xdp_run_config`, whose type has a member
 * for the priority and one for each action after which the next program runs. Its numbers are lengths of arrays.
 */
function runConfig(btf: Btf | undefined, program: string): Partial<DispatchDefaults> {
  const id = btf?.find('.xdp_run_config', BtfKind.DATASEC);
  const section = id === undefined ? undefined : btf?.type(id);
  if (btf === undefined || section?.kind !== BtfKind.DATASEC) return {};
  const variable = section.entries.map(({ type }) => btf.type(type)).find(({ name }) => name === `_${program}`);
  if (variable?.kind !== BtfKind.VAR) return {};
  const struct = btf.type(btf.skipModifiers(variable.type));
  if (struct.kind !== BtfKind.STRUCT) return {};
  let priority: number | undefined;
  let continueOn = 0;
  for (const member of struct.members) {
    const value = lengthOf(btf, member.type);
    if (member.name === 'priority') priority = value;
    else if (value !== undefined && value > 0) continueOn |= bitOfConstant(member.name);
  }
  return { ...(priority === undefined ? {} : { priority }), ...(continueOn === 0 ? {} : { continueOn }) };
}

function lengthOf(btf: Btf, id: number): number | undefined {
  const pointer = btf.type(btf.skipModifiers(id));
  const array = pointer.kind === BtfKind.PTR ? btf.type(btf.skipModifiers(pointer.type)) : undefined;
  return array?.kind === BtfKind.ARRAY ? array.length : undefined;
}
