// Run where tracefs is mounted: reads what a program writes with bpf_printk(), by buffers of its own and by that of all.
import { readdirSync } from 'node:fs';

import {
  Ebpf,
  features,
  HelperId,
  kernelLog,
  ObjectSpec,
  ProgramType,
  RawTracepoint,
  type KernelLog,
  type KernelLogLine,
} from '../../../lib/index.js';
import { readFileSync } from 'node:fs';
import { rawArguments, sample } from '../../helpers/samples.js';

const instances = (): string[] =>
  readdirSync('/sys/kernel/tracing/instances').filter((name) => name.startsWith(`node-ebpf-${process.pid}-`));

async function all(log: KernelLog): Promise<KernelLogLine[]> {
  const lines: KernelLogLine[] = [];
  for await (const line of log) lines.push(line);
  return lines;
}

const shown = (lines: readonly KernelLogLine[]): object[] =>
  lines.map(({ timestamp, pid, task, cpu, message }) => ({
    message,
    own: pid === process.pid || task !== '',
    cpu: Number.isInteger(cpu),
    // Both clocks count from the start of the machine.
    recent: Math.abs(Number(timestamp - process.hrtime.bigint())) < 3600e9 * 24,
  }));

async function main(): Promise<void> {
  const spec = ObjectSpec.parse(readFileSync(sample('streams')), { name: 'streams.bpf.o' });
  spec.program('write_trace').autoload = true;
  // What more than three arguments are written with: Linux 5.16.
  const hasMany = (await features.helper(ProgramType.RAW_TRACEPOINT, HelperId.trace_vprintk)).supported;
  spec.program('write_many').autoload = hasMany;
  const ebpf = await Ebpf.load(spec);
  const write = async (number: number): Promise<unknown> =>
    ebpf.program('write_trace', RawTracepoint).testRun({ context: rawArguments(number) });
  const first = kernelLog();
  const second = kernelLog({ pollMs: 5 });
  const open = instances().length;
  await write(7);
  await first.close();
  await write(8);
  await second.close();
  const logs = { first: shown(await all(first)), second: shown(await all(second)) };

  // While nothing is written, then by what comes.
  const waiting = kernelLog({ pollMs: 5 });
  setTimeout(() => void write(9), 50);
  let woken = '';
  for await (const { message } of waiting) {
    woken = message;
    break;
  }
  const stop = new AbortController();
  const aborted = all(kernelLog({ signal: stop.signal })).catch((error: unknown) => String(error));
  setTimeout(() => {
    stop.abort(new Error('enough'));
  }, 20);

  const shared = kernelLog({ buffer: 'shared', pollMs: 5 });
  await write(10);
  await shared.close();
  const ofAll = (await all(shared)).map(({ message }) => message).slice(-2);
  let many: string[] | undefined;
  if (hasMany) {
    const log = kernelLog();
    await ebpf.program('write_many', RawTracepoint).testRun({ context: rawArguments(1) });
    await log.close();
    many = (await all(log)).map(({ message }) => message);
  }
  const busy = kernelLog();
  void busy[Symbol.asyncIterator]();
  let refused = '';
  try {
    void busy[Symbol.asyncIterator]();
  } catch (error) {
    refused = String((error as { code?: string }).code);
  }
  const iterated = { reason: await aborted, refused };
  await busy.close();
  console.log(JSON.stringify({ ...logs, open, woken, ofAll, many, iterated, lost: first.lost }));
  await ebpf.close();
  // The one that was asked for an iterator and never read.
  console.log(instances().length);
}

void main();
