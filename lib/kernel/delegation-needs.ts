import { AttachType, BpfCommand, MapType, ProgramType } from '../abi/index.js';

import type { DelegatedValue, DelegationNeeds } from './token-delegation.js';

/** To load BTF. */
export const toLoadBtf: DelegationNeeds = { cmds: { name: 'BTF_LOAD', value: BpfCommand.BTF_LOAD } };

/** To create a map of a type. */
export function toCreateMap(type: number): DelegationNeeds {
  return { cmds: { name: 'MAP_CREATE', value: BpfCommand.MAP_CREATE }, maps: named(MapType, type) };
}

/** To load a program of a type; without an attach type it is the first of them, which is 0 (bpf_token_allow_prog_type). */
export function toLoadProgram(type: number, attachType: number): DelegationNeeds {
  return {
    cmds: { name: 'PROG_LOAD', value: BpfCommand.PROG_LOAD },
    progs: named(ProgramType, type),
    attachs: named(AttachType, attachType),
  };
}

function named(values: Readonly<Record<string, number>>, value: number): DelegatedValue {
  const name = Object.entries(values).findLast(([, known]) => known === value)?.[0];
  return { name: name ?? String(value), value };
}
