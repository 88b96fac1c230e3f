import { UnsupportedError } from '../errors/index.js';

import { readText } from './read-text.js';

const folder = '/sys/devices/system/cpu';
const path = `${folder}/possible`;

let known: number | undefined;

/** How many CPUs the kernel can ever have: per-CPU maps have a value for each. */
export function possibleCpus(): number {
  known ??= countCpus(readText(path) ?? '');
  return known;
}

/** The CPUs that run now, ascending. */
export function onlineCpus(): number[] {
  return listCpus(readText(`${folder}/online`) ?? '');
}

/** One more than the highest CPU of a list such as `0-3,8-11`: numbers may have holes, values per CPU have none. */
export function countCpus(list: string): number {
  return (listCpus(list).at(-1) ?? -1) + 1;
}

/** The CPUs of a list such as `0-3,8-11`, as the kernel writes it: ascending. */
export function listCpus(list: string): number[] {
  const cpus: number[] = [];
  for (const range of list.trim().split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(range);
    if (match === null) {
      throw new UnsupportedError('the number of CPUs', `${path} cannot be read; sysfs must be mounted`);
    }
    const last = Number(match[2] ?? match[1]);
    for (let cpu = Number(match[1]); cpu <= last; cpu++) cpus.push(cpu);
  }
  return cpus;
}
