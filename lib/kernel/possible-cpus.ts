import { UnsupportedError } from '../errors/index.js';

import { readText } from './read-text.js';

const path = '/sys/devices/system/cpu/possible';

let known: number | undefined;

/** How many CPUs the kernel can ever have: per-CPU maps have a value for each. */
export function possibleCpus(): number {
  known ??= countCpus(readText(path) ?? '');
  return known;
}

/** One more than the highest CPU of a list such as `0-3,8-11`: numbers may have holes, values per CPU have none. */
export function countCpus(list: string): number {
  let highest = -1;
  for (const range of list.trim().split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(range);
    if (match === null) {
      throw new UnsupportedError('the number of CPUs', `${path} cannot be read; sysfs must be mounted`);
    }
    highest = Math.max(highest, Number(match[2] ?? match[1]));
  }
  return highest + 1;
}
