import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';

import {
  Ebpf,
  escapeControl,
  type EventReader,
  IteratorLink,
  ObjectSpec,
  PerfEventArray,
  RingBuffer,
} from '../../index.js';
import type { Command, CommandContext } from '../command.js';
import { CommandError } from '../command-error.js';
import { Output } from '../output.js';
import { parseValue } from '../parse-value.js';
import { EventStream } from './event-stream.js';
import { isIterator, printIterators } from './iterator-listing.js';
import { LogStream } from './log-stream.js';
import { parseRunOptions, type RunOptions } from './run-options.js';
import { summary } from './summary.js';

const help = `Usage: node-ebpf run <object> [options]

Loads a compiled BPF object, attaches every program whose section says where, prints the events of its ring buffers,
and on Ctrl-C (or after --count or --duration) detaches and prints totals and the contents of its maps. What its
iterators write is printed first; when there is nothing else to wait for, that is all.

  --set <name>=<value>    a variable of the object before it is loaded, such as a filter; may be given many times.
                          Numbers in decimal, 0x, 0b or 0o; true or false; text for char arrays; hex digits for other
                          byte arrays; JSON for arrays and structs
  --events <map>=<type>   print the records of ring <map>, decoded as the C type <type> of the object; <map> alone
                          prints their bytes in hexadecimal. Many times for several rings; without it all of them, as bytes.
                          <iterator>=<type> prints what that program writes as such records, in place of text
  --logs                  print what the programs log (node_ebpf_log.h), to stderr, with --json as JSON lines
  --log-level <level>     the same, and let them log up to error, warn, info, debug or trace
  --count <N>             end after N events
  --duration <seconds>    end after this time, such as 10 or 0.5
  --json                  events as JSON lines, 64-bit integers as strings; the totals go to stderr. With several
                          rings each line is {"map": …, "event": …}, of iterators {"program": …, "line": …} or "record"

Exit status: 0 when it ran to its end, Ctrl-C included; 1 when something failed; 2 when the command line could not be
understood; 77 when rights are missing.

Example:
  node-ebpf run execsnoop.bpf.o --events events=event --set target_uid=1000
`;

/** A timer takes no longer one. Nothing else keeps the process alive when there is no ring to read. */
const LONGEST_DELAY = 2 ** 31 - 1;

/** The ring of node_ebpf_log.h: `--logs` reads it. */
const LOG_RING = 'node_ebpf_logs';

/** include/uapi/linux/btf.h. */
const BTF_KIND_STRUCT = 4;

export const runCommand: Command = {
  name: 'run',
  summary: 'load an object, attach its programs, print its events',
  help,
  run,
};

async function run(args: readonly string[], context: CommandContext): Promise<number> {
  const options = parseRunOptions(args);
  const spec = ObjectSpec.parse(await readObject(options.object), { name: basename(options.object) });
  const stop = new AbortController();
  const output = new Output(context.stdout, () => {
    stop.abort();
  });
  const ebpf = await Ebpf.load(spec, { variables: variablesOf(spec, options), logLevel: options.logLevel });
  try {
    const streams = openStreams(ebpf, spec, options, context);
    const logs = options.logs ? new LogStream(ebpf.logs(), context.stderr, options.json) : undefined;
    await ebpf.attach();
    context.onStop(() => {
      stop.abort();
    });
    const links = ebpf.links.length;
    context.stderr.write(
      `Attached ${links} ${links === 1 ? 'program' : 'programs'} of ${escapeControl(spec.name)}; Ctrl-C ends.\n`,
    );
    await printIterators(ebpf, { types: options.events, json: options.json, output, signal: stop.signal });
    const onlyLists = links > 0 && ebpf.links.every((link) => link instanceof IteratorLink);
    if (!onlyLists || streams.length > 0 || logs !== undefined)
      await follow({ ebpf, streams, logs, options, stop, output });
    output.throwIfFailed();
    const totals = summary(ebpf, spec, streams);
    if (options.json) context.stderr.write(totals);
    else await output.write(streams.some((stream) => stream.printed > 0) ? `\n${totals}` : totals);
  } finally {
    await ebpf.close();
  }
  return 0;
}

async function readObject(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    const { code = 'unknown error', message } = cause as NodeJS.ErrnoException;
    // `ENOENT: no such file or directory, open '…'`: what lies between is for people.
    const problem = /^\w+: (.*), \w+(?: '[^]*')?$/.exec(message)?.[1] ?? message;
    throw new CommandError(`cannot read ${escapeControl(path)}: ${problem} (${code})`, { cause });
  }
}

function variablesOf(spec: ObjectSpec, options: RunOptions): Record<string, unknown> {
  const values: [string, unknown][] = [];
  for (const [name, text] of options.variables) {
    values.push([name, parseValue(name, text, spec.variables.get(name)?.value)]);
  }
  return Object.fromEntries(values);
}

function openStreams(ebpf: Ebpf, spec: ObjectSpec, options: RunOptions, context: CommandContext): EventStream[] {
  const chosen = new Map([...options.events].filter(([name]) => !isIterator(ebpf, name)));
  if (chosen.size === 0) {
    for (const map of ebpf.maps) {
      if ((map instanceof RingBuffer && map.name !== LOG_RING) || map instanceof PerfEventArray) {
        chosen.set(map.name, undefined);
      }
    }
  }
  const streams: EventStream[] = [];
  for (const [map, type] of chosen) {
    streams.push(
      new EventStream({ map, reader: openReader(ebpf, map, type), json: options.json, named: chosen.size > 1 }),
    );
    if (type === undefined) context.stderr.write(typeHint(spec, map));
  }
  return streams;
}

function openReader(ebpf: Ebpf, map: string, type: string | undefined): EventReader<unknown> {
  if (ebpf.map(map) instanceof PerfEventArray) {
    return ebpf.map(map, type === undefined ? PerfEventArray : PerfEventArray.of(type)).read();
  }
  return ebpf.map(map, type === undefined ? RingBuffer : RingBuffer.of(type)).read();
}

function typeHint(spec: ObjectSpec, map: string): string {
  const names = structNames(spec);
  const choice = names.length === 0 ? 'The object names no struct types.' : `Its types: ${names.join(', ')}.`;
  return escapeControl(`Records of ${map} are printed as bytes; --events ${map}=<type> decodes them. ${choice}`) + '\n';
}

function structNames(spec: ObjectSpec): string[] {
  const names = new Set<string>();
  const { btf } = spec;
  if (btf !== undefined) {
    for (let id = btf.startId; id < btf.endId; id++) if (btf.kind(id) === BTF_KIND_STRUCT) names.add(btf.nameOf(id));
  }
  names.delete('');
  return [...names];
}

interface Following {
  readonly ebpf: Ebpf;
  readonly streams: readonly EventStream[];
  readonly logs: LogStream | undefined;
  readonly options: RunOptions;
  readonly stop: AbortController;
  readonly output: Output;
}

/** Prints events until enough were seen, the time is over or somebody stops it; then detaches and prints the rest. */
async function follow({ ebpf, streams, logs, options, stop, output }: Following): Promise<void> {
  let left = options.count ?? Infinity;
  const print = async (stream: EventStream): Promise<void> => {
    for await (const batch of stream.reader.batches()) {
      const events: unknown[] = [];
      for (const event of batch) if (events.length < left) events.push(event);
      left -= events.length;
      await output.write(stream.format(events));
      if (left > 0 && !output.ended) continue;
      stop.abort();
      return;
    }
  };

  const timer = setTimeout(() => {
    if (options.milliseconds === undefined) timer.refresh();
    else stop.abort();
  }, options.milliseconds ?? LONGEST_DELAY);
  const printing = Promise.all([...streams.map(async (stream) => print(stream)), logs?.print()]);
  try {
    await Promise.race([stopped(stop.signal), printing.then(async () => stopped(stop.signal))]);
  } finally {
    clearTimeout(timer);
  }
  // Detached first, so that what is still in the rings is the end.
  for (const link of [...ebpf.links]) await link.close();
  for (const { reader } of [...streams, ...(logs === undefined ? [] : [logs])]) await reader.close();
  await printing;
}

async function stopped(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}
