import { readFile } from 'node:fs/promises';

import { UnsupportedError } from '../errors/index.js';

const path = '/sys/devices/system/cpu/possible';

let known: number | undefined;

/** How many CPUs the kernel can ever have: per-CPU maps have a value for each. */
export async function possibleCpus(): Promise<number> {
  known ??= countCpus(await readList());
  return known;
}

async function readList(): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new UnsupportedError('the number of CPUs', `${path} cannot be read; sysfs must be mounted`, { cause });
  }
}

/** One more than the highest CPU of a list such as `0-3,8-11`: numbers may have holes, values per CPU have none. */
export function countCpus(list: string): number {
  let highest = -1;
  for (const range of list.trim().split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(range);
    if (match === null) throw new UnsupportedError('the number of CPUs', `${path} holds ${JSON.stringify(list)}`);
    highest = Math.max(highest, Number(match[2] ?? match[1]));
  }
  return highest + 1;
}
