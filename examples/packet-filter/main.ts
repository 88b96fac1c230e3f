// Filters the packets of an interface by a file of rules; a changed file takes effect at once, and what is dropped is printed.
import { once } from 'node:events';
import { watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { parseArgs } from 'node:util';

import { EbpfError, type XdpMode } from 'node-ebpf';

import { PacketFilter, type Drop, type Place } from './filter.js';
import { parseRules, RuleError } from './rules.js';

const usage = `packet-filter --interface NAME RULES [--netns PATH] [--mode native|generic] [--quiet]

  RULES   a file; each of its lines is
            allow|deny|limit N/s [burst N]  in|out  NETWORK|any  [PROTOCOL [PORT[-PORT]]]

Saving the file or SIGHUP puts its rules in force, SIGUSR1 prints what was counted, SIGINT ends it.`;

/** Editors write a file in several steps. */
const settleMs = 20;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    interface: { type: 'string' },
    netns: { type: 'string' },
    mode: { type: 'string' },
    quiet: { type: 'boolean', default: false },
  },
});
const [file, ...more] = positionals;
const { interface: name, netns, mode } = options;

if (name === undefined || file === undefined || more.length > 0) {
  console.error(usage);
  process.exitCode = 2;
} else {
  try {
    await run({ interface: name, netns, mode: mode as XdpMode | undefined }, file);
  } catch (error) {
    // What the user can do something about is told in a sentence.
    if (!EbpfError.is(error) && !(error instanceof RuleError) && !(error instanceof Error && 'syscall' in error))
      throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}

async function run(place: Place, file: string): Promise<void> {
  const object = new URL('packet_filter.bpf.o', import.meta.url);
  const filter = await PacketFilter.load(object, { logDrops: !options.quiet });
  try {
    await putInForce(filter, file);
    await filter.attach(place);
    console.log(`filtering ${place.interface}`);
    const ending = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort());
    process.on('SIGUSR1', () => console.table(filter.counts()));
    await Promise.all([follow(filter, file, ending.signal), print(filter, ending.signal)]);
    console.table(filter.counts());
    if (filter.unreported > 0n) console.log(`${filter.unreported} more were dropped than are printed above`);
  } finally {
    await filter.close();
  }
}

/** Puts the rules of the file in force. */
async function putInForce(filter: PacketFilter, file: string): Promise<void> {
  const rules = parseRules(await readFile(file, 'utf8'), basename(file));
  const start = performance.now();
  await filter.replace(rules);
  console.log(`${rules.length} rules in force, after ${(performance.now() - start).toFixed(1)} ms`);
}

/** Puts the file's rules in force whenever it changes. A file with an error in it changes nothing. */
async function follow(filter: PacketFilter, file: string, signal: AbortSignal): Promise<void> {
  let settling: NodeJS.Timeout | undefined;
  let done = Promise.resolve();
  const reload = (): void => {
    done = done
      .then(async () => putInForce(filter, file))
      .catch((error: unknown) => console.error(`the rules stay as they are: ${(error as Error).message}`));
  };
  // The folder is watched: editors put another file in the place of the one that was there.
  watch(dirname(file), { signal }, (_event, changed) => {
    if (changed !== basename(file)) return;
    clearTimeout(settling);
    settling = setTimeout(reload, settleMs);
  });
  process.on('SIGHUP', reload);
  await once(signal, 'abort');
  clearTimeout(settling);
  await done;
}

async function print(filter: PacketFilter, signal: AbortSignal): Promise<void> {
  try {
    for await (const drop of filter.drops(signal)) console.log(line(drop));
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function line({ time, direction, protocol, source, destination, length, rule }: Drop): string {
  return `${time.toISOString()} dropped ${direction}: ${source} > ${destination} protocol ${protocol}, ${length} bytes: ${rule}`;
}
