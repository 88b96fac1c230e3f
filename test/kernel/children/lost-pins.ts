// Run by open-programs.test.ts: pins programs with and without the maps that lose what they hold, and ends.
// usage: lost-pins.ts <BPF file system>
import { once } from 'node:events';
import { join } from 'node:path';

import { Ebpf, ProgramArray, RawTracepoint, type Link, type Program } from '../../../lib/index.js';
import { sample } from '../../helpers/samples.js';

const [folder = ''] = process.argv.slice(2);

process.removeAllListeners('warning');

async function pin(program: Program | Link, name: string): Promise<void> {
  const warned = once(process, 'warning') as Promise<[Error & { code?: string }]>;
  program.pin(join(folder, name));
  const [{ code, message }] = await warned;
  console.log(`${code ?? ''}: ${message}`);
}

async function withArray(): Promise<Ebpf> {
  const ebpf = await Ebpf.load(sample('tail_calls'));
  await ebpf.map('packets', ProgramArray).set(0, ebpf.program('packet_to'));
  return ebpf;
}

/** A link of a tracepoint that test runs pass. */
async function linkWithArray(): Promise<[Ebpf, Link]> {
  const ebpf = await Ebpf.load(sample('tail_calls'));
  await ebpf.map('traces', ProgramArray).set(0, ebpf.program('trace_to'));
  return [ebpf, await ebpf.program('trace_from', RawTracepoint).attach({ tracepoint: 'bpf_test_finish' })];
}

async function main(): Promise<void> {
  await pin((await withArray()).program('packet_from'), 'lost');
  await pin((await Ebpf.load(sample('timed_values'))).program('start'), 'timed');
  await pin((await linkWithArray())[1], 'lost-link');
  const kept = await withArray();
  kept.map('packets').pin(join(folder, 'packets'));
  process.on('warning', (warning) => {
    console.log(`unexpected: ${warning.message}`);
  });
  kept.program('packet_from').pin(join(folder, 'kept'));
  const [keptToo, link] = await linkWithArray();
  keptToo.map('traces').pin(join(folder, 'traces'));
  link.pin(join(folder, 'kept-link'));
  console.log('no warning once it is pinned');
  process.exit();
}

void main();
