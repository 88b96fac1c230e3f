import { BpfCommand, MapFlag, MapType } from '../abi/index.js';
import { KernelError, UsageError, quote } from '../errors/index.js';
import { programTypeName } from '../kernel/index.js';
import { commandName, descriptorInfo, mapShape, objectInfo, type Handle } from '../sys/index.js';

import { callFailure, type FailedMap } from './call-failure.js';
import { EINVAL } from './errno.js';
import { mapTypeName } from './map-type-name.js';
import { shapeDifferences, type ComparedShape } from './shape-differences.js';

/** Why a program was not taken into a slot of a program array. `where` is such as `slot 3`. @internal */
export function heldProgramFailure(map: FailedMap, program: Handle, where: string, errno: number): Error {
  if (errno !== EINVAL || map.handle.closed || program.closed) {
    return callFailure(map, `put ${program.describe()} into ${where} of`, BpfCommand.MAP_UPDATE_ELEM, errno);
  }
  return UsageError.invalidValue(
    'program',
    `${program.describe()} does not fit map ${quote(map.name)}: ${misfit(map.handle, program)}`,
    {
      cause: kernelRefusal(map, program, where, errno),
    },
  );
}

/**
 * An array belongs to programs of one kind, that of the first which was loaded with it or put into it
 * (`__bpf_prog_map_compatible` in kernel/bpf/core.c).
 */
function misfit(map: Handle, program: Handle): string {
  const owner = descriptorInfo(map);
  const type = owner.get('owner_prog_type');
  const { type: found, jitedLength } = objectInfo(program, 'program');
  if (type !== undefined && Number(type) !== found) {
    return (
      `the programs in it are of type ${programTypeName(Number(type))}, as the first one that was loaded with it or put ` +
      `into it, and this one is of type ${programTypeName(found)}`
    );
  }
  const jited = owner.get('owner_jited');
  if (jited !== undefined && (jited !== '0') !== jitedLength > 0) {
    return `the programs in it are ${jited === '0' ? 'interpreted' : 'compiled'} and this one is not (net.core.bpf_jit_enable)`;
  }
  return (
    'it differs in something that the kernel wants to be the same of the first program that was loaded with the array or ' +
    'put into it: attach type, function attached to, fragments of XDP (xdp.frags), cgroup storage'
  );
}

/** Why a map was not taken into a map of maps. @internal */
export function heldMapFailure(
  map: FailedMap,
  inner: Handle,
  {
    where,
    template,
    errno,
  }: { readonly where: string; readonly template: ComparedShape | undefined; readonly errno: number },
): Error {
  if (errno !== EINVAL || map.handle.closed || inner.closed) {
    return callFailure(map, `put ${inner.describe()} into ${where} of`, BpfCommand.MAP_UPDATE_ELEM, errno);
  }
  return UsageError.invalidValue(
    'map',
    `${inner.describe()} does not fit map ${quote(map.name)}: ${mapMisfit(inner, template)}`,
    {
      cause: kernelRefusal(map, inner, where, errno),
    },
  );
}

/** See `bpf_map_meta_equal` in kernel/bpf/map_in_map.c and what map types have as `map_meta_equal`. */
function mapMisfit(inner: Handle, template: ComparedShape | undefined): string {
  const found = mapShape(inner);
  if (isHolder(found.type)) return `maps of type ${mapTypeName(found.type)} cannot be inside other maps`;
  if (template === undefined) {
    return 'it is not like the map that this was made for in type, key size, value size, flags or, of an array without MapFlag.INNER_MAP, maxEntries';
  }
  const differences = shapeDifferences(
    countsEntries(template) ? template : { ...template, maxEntries: found.maxEntries },
    found,
  );
  if (differences.length > 0) {
    const advice = differences.every((text) => text.startsWith('maxEntries'))
      ? '; arrays of any length fit where the inner maps have the flag BPF_F_INNER_MAP'
      : '';
    return `it is not like the inner map of its definition: ${differences.join(', ')}${advice}`;
  }
  // Where the kernel looked for a timer and found none is not where it had no types to look at (timer_off of 5.15 to 6.1).
  return (
    'its values have other spin locks, timers or kernel pointers than those of the inner map of its definition; before ' +
    'Linux 6.2 one of them may also have types (BTF) and the other none'
  );
}

/** Programs know the length of an array when they are loaded, where it is not said that it may differ. */
function countsEntries({ type, flags }: ComparedShape): boolean {
  return type === MapType.XSKMAP || (type === MapType.ARRAY && (flags & MapFlag.INNER_MAP) === 0);
}

function isHolder(type: number): boolean {
  return type === MapType.PROG_ARRAY || type === MapType.ARRAY_OF_MAPS || type === MapType.HASH_OF_MAPS;
}

function kernelRefusal({ name }: FailedMap, value: Handle, where: string, errno: number): KernelError {
  const what = `put ${value.describe()} into ${where} of map ${quote(name)}`;
  return new KernelError(what, commandName(BpfCommand.MAP_UPDATE_ELEM), errno);
}
