import { readFileSync } from 'node:fs';

/** A small file of procfs or sysfs, or undefined when it is missing or may not be read. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
