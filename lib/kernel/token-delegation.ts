import { quote } from '../errors/index.js';

import { readText } from './read-text.js';

/** A value of one of the kernel's enumerations, by its name in {@link BpfCommand}, {@link MapType} and their like. */
export interface DelegatedValue {
  readonly name: string;
  readonly value: number;
}

/** What a call wants a BPF token to allow, by the mount option that delegates it. */
export interface DelegationNeeds {
  readonly cmds: DelegatedValue;
  readonly maps?: DelegatedValue | undefined;
  readonly progs?: DelegatedValue | undefined;
  readonly attachs?: DelegatedValue | undefined;
}

const words = {
  cmds: 'the command',
  maps: 'maps of type',
  progs: 'programs of type',
  attachs: 'programs of the attach type',
} as const;

const paths = new WeakMap<object, string>();

/** Keeps in mind which BPF file system a token, its handle, is of. */
export function noteTokenPath(token: object, path: string): void {
  paths.set(token, path);
}

/**
 * What of that the token's file system does not delegate, in words; empty when it delegates all, undefined when its mount is not
 * to be seen.
 */
export function notDelegated(
  token: object,
  needs: DelegationNeeds,
  mounts: string | undefined = readText('/proc/self/mounts'),
): string[] | undefined {
  const path = paths.get(token);
  const options = path === undefined ? undefined : mountOptions(mounts ?? '', path);
  if (path === undefined || options === undefined) return undefined;
  return (Object.keys(words) as (keyof typeof words)[]).flatMap((kind) => {
    const wanted = needs[kind];
    if (wanted === undefined || isIn(options.get(`delegate_${kind}`), wanted)) return [];
    const place = `the BPF file system ${quote(path)}`;
    return [`${place} does not delegate ${words[kind]} ${wanted.name.toLowerCase()} (mount option delegate_${kind})`];
  });
}

/** Of the last file system that was mounted there. */
function mountOptions(mounts: string, path: string): ReadonlyMap<string, string> | undefined {
  const wanted = path.replace(/(?<=.)\/+$/, '');
  const lines = mounts.split('\n').map((line) => line.split(' '));
  const options = lines.findLast(([, place, type]) => type === 'bpf' && unescaped(place ?? '') === wanted)?.[3];
  if (options === undefined) return undefined;
  return new Map(
    options.split(',').map((option): [string, string] => [option.split('=')[0] ?? '', option.replace(/^[^=]*=?/, '')]),
  );
}

/** Spaces and their like are octal numbers in that file. */
function unescaped(place: string): string {
  return place.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** `any`, or names and the bits of what the kernel has no names for: `map_create:prog_load:0x8000` (kernel/bpf/inode.c). */
function isIn(option: string | undefined, { name, value }: DelegatedValue): boolean {
  if (option === undefined) return false;
  return option.split(':').some((part) => {
    if (part === 'any' || part === name.toLowerCase()) return true;
    return /^0x[0-9a-f]+$/.test(part) && ((BigInt(part) >> BigInt(value)) & 1n) === 1n;
  });
}
