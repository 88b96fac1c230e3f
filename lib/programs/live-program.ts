import { BtfTracepoint } from './btf-tracepoint.js';
import { Fentry } from './fentry.js';
import { Fexit } from './fexit.js';
import { Kprobe } from './kprobe.js';
import { Kretprobe } from './kretprobe.js';
import { Lsm } from './lsm.js';
import { Program, type ProgramDetails } from './program.js';
import { RawTracepoint } from './raw-tracepoint.js';
import { Tracepoint } from './tracepoint.js';

/** The class of each kind of section (`lib/object/section-table.ts`). A new program type is one file and a line here. */
const classes = new Map<string, new (details: ProgramDetails) => Program>([
  ['tracepoint', Tracepoint],
  ['raw_tp', RawTracepoint],
  ['tp_btf', BtfTracepoint],
  ['kprobe', Kprobe],
  ['kretprobe', Kretprobe],
  ['fentry', Fentry],
  ['fexit', Fexit],
  ['lsm', Lsm],
]);

/** The live program that a handle stands for. */
export function liveProgram(details: ProgramDetails): Program {
  const kind = classes.get(details.spec.kind) ?? Program;
  return new kind(details);
}
