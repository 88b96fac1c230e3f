import { readFile, readdir } from 'node:fs/promises';

import { UsageError, quote } from '../errors/index.js';

import { listCpus } from './possible-cpus.js';
import { readText } from './read-text.js';

const devices = '/sys/bus/event_source/devices';
const words = ['config', 'config1', 'config2', 'config3'] as const;
type Word = (typeof words)[number];

/** An event of a PMU, as the numbers of `struct perf_event_attr`. */
export interface PmuEvent extends Readonly<Record<Word, bigint>> {
  readonly type: number;
  /** The CPUs that count for all, of PMUs that are not of each CPU; undefined for those that are. */
  readonly cpus: readonly number[] | undefined;
}

/** A range of bits of a word: those of a term are filled from the first range on. */
interface BitRange {
  readonly low: number;
  readonly high: number;
}

/**
 * The event that terms describe to the kernel's counters `name`: `pmuEvent('cpu', 'event=0x3c,umask=0x0')`. Terms are
 * those of the files in `format/`, the names in `events/`, and `config`, `config1`, `config2` and `config3`.
 *
 * @throws {@link UsageError} for names that are not there, with the nearest, and for values that do not fit.
 */
export async function pmuEvent(name: string, terms: string): Promise<PmuEvent> {
  const type = Number.parseInt((await pmuFile(name, 'type')) ?? '', 10);
  if (Number.isNaN(type)) throw UsageError.notFound('PMU', name, await list(devices));
  const event = { config: 0n, config1: 0n, config2: 0n, config3: 0n };
  for (const term of terms.split(',')) if (term !== '') await applyTerm(name, term, event);
  const cpus = (await pmuFile(name, 'cpumask')) ?? (await pmuFile(name, 'cpus'));
  return { type, ...event, cpus: cpus === undefined || cpus.trim() === '' ? undefined : listCpus(cpus) };
}

async function applyTerm(pmu: string, term: string, event: Record<Word, bigint>, depth = 0): Promise<void> {
  const [, name = '', text] = /^\s*([^=\s]+)\s*(?:=\s*(\S+)\s*)?$/.exec(term) ?? [];
  const word = words.find((each) => each === name);
  const format = word === undefined ? await pmuFile(pmu, `format/${name}`) : `${word}:0-63`;
  const alias = format === undefined && text === undefined ? await pmuFile(pmu, `events/${name}`) : undefined;
  if (alias !== undefined && depth === 0) {
    for (const each of alias.trim().split(',')) await applyTerm(pmu, each, event, depth + 1);
    return;
  }
  if (format === undefined) throw await unknownTerm(pmu, name);
  const value = numberOf(pmu, name, text);
  const [, place = '', ranges = ''] = /^(\w+):([\d,-]+)$/m.exec(format) ?? [];
  const target = words.find((each) => each === place);
  if (target === undefined) {
    const path = quote(`${devices}/${pmu}/format/${name}`);
    throw UsageError.invalidValue('event', `${path} says ${quote(format.trim())}, which is not understood`);
  }
  event[target] = setBits(event[target], bitRanges(ranges), value, `${name}=${text ?? '1'}`);
}

function numberOf(pmu: string, name: string, text = '1'): bigint {
  if (/^(?:0x[0-9a-f]+|\d+)$/i.test(text)) return BigInt(text);
  const problem = text === '?' ? 'needs a value: it has none of its own' : `must be a number, not ${quote(text)}`;
  throw UsageError.invalidValue('event', `${quote(name)} of PMU ${quote(pmu)} ${problem}`);
}

/** Reads `0-7,32-35`. */
function bitRanges(text: string): BitRange[] {
  return text.split(',').map((range) => {
    const [low = '0', high = low] = range.split('-');
    return { low: Number(low), high: Number(high) };
  });
}

function setBits(word: bigint, ranges: readonly BitRange[], value: bigint, term: string): bigint {
  let rest = value;
  let result = word;
  for (const { low, high } of ranges) {
    const width = BigInt(high - low + 1);
    const mask = (1n << width) - 1n;
    const shift = BigInt(low);
    result = (result & ~(mask << shift)) | ((rest & mask) << shift);
    rest >>= width;
  }
  if (rest === 0n) return result;
  const bits = ranges.reduce((sum, { low, high }) => sum + high - low + 1, 0);
  throw UsageError.invalidValue('event', `${quote(term)} does not fit: there are ${bits} bits for it`);
}

async function unknownTerm(pmu: string, name: string): Promise<UsageError> {
  const folder = `${devices}/${pmu}`;
  const [formats, events] = await Promise.all([list(`${folder}/format`), list(`${folder}/events`)]);
  const names = events.filter((each) => !/\.(?:scale|unit|per-pkg|snapshot)$/.test(each));
  return UsageError.notFound(`term or event of PMU ${quote(pmu)}`, name, [...formats, ...names]);
}

/** A file of a PMU's folder; undefined when it is not there. What names it was given, and must not lead elsewhere. */
async function pmuFile(pmu: string, file: string): Promise<string | undefined> {
  if ([pmu, ...file.split('/')].some((part) => !/^[A-Za-z0-9_.:-]+$/.test(part) || /^\.+$/.test(part)))
    return undefined;
  return readFile(`${devices}/${pmu}/${file}`, 'utf8').catch(() => undefined);
}

async function list(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

/** How many events a second the kernel lets a CPU sample at most; undefined when it does not tell. */
export function mostSamplesPerSecond(): number | undefined {
  const text = readText('/proc/sys/kernel/perf_event_max_sample_rate');
  return text === undefined ? undefined : Number.parseInt(text, 10);
}
