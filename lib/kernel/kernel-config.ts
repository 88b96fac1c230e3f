import { readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

import { UsageError, quote } from '../errors/index.js';
import type { KconfigOption } from '../relocate/index.js';

/**
 * Configuration values given by hand: text as in a kernel's `.config`, or names with their values. True and false stand
 * for `y` and `n`; the strings `y`, `n` and `m` for themselves, any other string for its text.
 */
export type Kconfig = string | Readonly<Record<string, string | number | bigint | boolean>>;

/** What errors call {@link Kconfig}. */
export const givenKconfig = 'the option kconfig';

/** A configuration takes 300 KB at most. */
const largest = 16 * 1024 * 1024;

const unzip = promisify(gunzip);

/**
 * The options of a configuration by name, of those wanted. The first of several lines counts, as in libbpf.
 *
 * @param source - What errors call the text.
 */
export function readOptions(text: string, wanted: ReadonlySet<string>, source: string): Map<string, KconfigOption> {
  const options = new Map<string, KconfigOption>();
  for (const [, name = '', value = ''] of text.matchAll(/^(CONFIG_\w+)=(.+?)\s*$/gm)) {
    if (wanted.has(name) && !options.has(name)) options.set(name, { text: value, source });
  }
  return options;
}

/**
 * The wanted ones of the options given by hand.
 *
 * @throws {@link UsageError} `kconfig` for a line or name that is none of a configuration.
 */
export function givenOptions(given: Kconfig, wanted: ReadonlySet<string>): Map<string, KconfigOption> {
  if (typeof given === 'string') {
    for (const [index, line] of given.split('\n').entries()) {
      const isFine = !line.startsWith('CONFIG_') || /^CONFIG_\w+=./.test(line);
      if (!isFine) {
        throw UsageError.invalidValue('kconfig', `line ${index + 1}, ${quote(line)}, is not CONFIG_<name>=<value>`);
      }
    }
    return readOptions(given, wanted, givenKconfig);
  }
  const options = new Map<string, KconfigOption>();
  for (const [name, value] of Object.entries(required(given))) {
    const path = `kconfig.${name}`;
    if (!/^(CONFIG|LINUX)_\w+$/.test(name)) {
      throw UsageError.invalidValue(path, 'the name of a configuration value begins with CONFIG_ or LINUX_');
    }
    if (wanted.has(name)) options.set(name, { text: textOf(path, value), source: givenKconfig });
  }
  return options;
}

/** Untyped callers may give anything. */
function required(given: unknown): object {
  if (typeof given === 'object' && given !== null && !Array.isArray(given) && !(given instanceof Map)) return given;
  throw UsageError.invalidValue('kconfig', 'must be text as in a .config, or an object of names and values');
}

function textOf(path: string, value: unknown): string {
  switch (typeof value) {
    case 'boolean':
      return value ? 'y' : 'n';
    case 'bigint':
      return String(value);
    case 'number':
      if (Number.isSafeInteger(value)) return String(value);
      break;
    case 'string':
      return /^[ynm]$/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`;
    default:
  }
  throw UsageError.invalidValue(path, `must be a boolean, a whole number or a string, not ${String(value)}`);
}

/** A configuration of the running kernel. */
export interface RunningConfig {
  readonly text: string;
  /** Where it was found, or what was tried in vain. */
  readonly places: readonly string[];
}

let running: Promise<RunningConfig> | undefined;

/** The configuration that the running kernel was built with, from where distributions keep it. Read once per process. */
export async function runningConfig(): Promise<RunningConfig> {
  running ??= readRunningConfig().then((config) => {
    // It may be readable the next time: /boot mounted, the module that makes /proc/config.gz loaded.
    if (config.text === '') running = undefined;
    return config;
  });
  return running;
}

async function readRunningConfig(): Promise<RunningConfig> {
  const tried: string[] = [];
  for (const path of [`/boot/config-${release()}`, '/proc/config.gz']) {
    try {
      const bytes = await readFile(path);
      const text = path.endsWith('.gz') ? await unzip(bytes, { maxOutputLength: largest }) : bytes;
      return { text: text.toString('utf8'), places: [path] };
    } catch (error) {
      tried.push(`${path} (${(error as NodeJS.ErrnoException).code ?? 'malformed'})`);
    }
  }
  return { text: '', places: tried };
}
