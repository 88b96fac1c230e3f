import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';

import { PermissionError, UnsupportedError, UsageError, quote, systemCallFailure } from '../errors/index.js';

const mountsPath = '/proc/self/mounts';
const usualPlace = '/sys/kernel/tracing';

/** Where tracefs is mounted in this mount namespace. Asked each time: it may be mounted while the process runs. */
export function tracefsPath(): string {
  const mounts = readFileSync(mountsPath, 'utf8');
  const places: string[] = [];
  for (const line of mounts.split('\n')) {
    const [, place, type] = line.split(' ');
    // The kernel writes space, tab, newline and backslash of a path as octal escapes.
    if (type === 'tracefs' && place !== undefined)
      places.push(place.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))));
  }
  const found = places.includes(usualPlace) ? usualPlace : places[0];
  if (found === undefined) {
    throw new UnsupportedError('tracefs', `it is not mounted; as root: mount -t tracefs tracefs ${usualPlace}`);
  }
  return found;
}

/**
 * The number by which perf knows the tracepoint `category`/`name`.
 *
 * @throws {@link UsageError} when the kernel has no such tracepoint; {@link PermissionError} when tracefs is closed to
 * this user; {@link UnsupportedError} when tracefs is not mounted.
 */
export async function tracepointId(category: string, name: string): Promise<number> {
  for (const part of [category, name]) {
    // These become a path: nothing may lead out of tracefs.
    if (!/^[A-Za-z0-9_.:-]+$/.test(part) || /^\.+$/.test(part)) {
      throw UsageError.invalidValue('tracepoint', `${quote(part)} cannot be part of a tracepoint's name`);
    }
  }
  const tracefs = tracefsPath();
  const path = `${tracefs}/events/${category}/${name}/id`;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'EACCES' || code === 'EPERM') {
      throw new PermissionError(
        `cannot read ${path}: ${code}; tracefs is readable by root only, unless it is mounted with a mode or group of yours`,
        [`the mode of ${tracefs}`],
        { failure: systemCallFailure('open', (cause as NodeJS.ErrnoException).errno ?? -13), cause },
      );
    }
    if (code === 'ENOENT') throw await unknownTracepoint(tracefs, category, name);
    throw cause;
  }
  return Number.parseInt(text, 10);
}

async function unknownTracepoint(tracefs: string, category: string, name: string): Promise<UsageError> {
  const names = await readdir(`${tracefs}/events/${category}`).catch(() => undefined);
  if (names !== undefined) return UsageError.notFound(`tracepoint of category ${quote(category)}`, name, names);
  const categories = await readdir(`${tracefs}/events`).catch(() => []);
  return UsageError.notFound('category of tracepoints', category, categories);
}
