// The objects that `npm run corpus` has taken out of Debian's packages.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from './fetched-kernels.js';

export interface FetchedObject {
  /** `libbpf-tools` */
  readonly package: string;
  /** Where the package has it: `usr/sbin/execsnoop`, which it may be a part of. */
  readonly source: string;
  /** Its absolute path in the cache. */
  readonly file: string;
}

/** Empty where nothing was fetched. */
export function fetchedObjects(): FetchedObject[] {
  const caches = cacheFolder();
  if (!existsSync(caches)) return [];
  return readdirSync(caches)
    .filter((name) => /^corpus-[a-z]+$/u.test(name))
    .map((name) => join(caches, name))
    .filter((folder) => existsSync(join(folder, 'entry.json')))
    .flatMap((folder) => {
      const { objects = [] } = JSON.parse(readFileSync(join(folder, 'entry.json'), 'utf8')) as {
        objects?: FetchedObject[];
      };
      return objects.map((object) => ({ ...object, file: join(folder, object.file) }));
    });
}
