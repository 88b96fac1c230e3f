import { BtfTracepoint } from './btf-tracepoint.js';
import { Fentry } from './fentry.js';
import { Fexit } from './fexit.js';
import { Kprobe } from './kprobe.js';
import { Kretprobe } from './kretprobe.js';
import { Lsm } from './lsm.js';
import { Program, type ProgramDetails } from './program.js';
import { RawTracepoint } from './raw-tracepoint.js';
import { Tracepoint } from './tracepoint.js';

/** The live program that a handle stands for. */
export function liveProgram(details: ProgramDetails): Program {
  const kind = classOf(details.spec.kind);
  return new kind(details);
}

/** The class of a kind of section (`lib/object/section-table.ts`). A new program type is one file and a line here. */
function classOf(kind: string): new (details: ProgramDetails) => Program {
  switch (kind) {
    case 'tracepoint':
      return Tracepoint;
    case 'raw_tp':
      return RawTracepoint;
    case 'tp_btf':
      return BtfTracepoint;
    case 'kprobe':
      return Kprobe;
    case 'kretprobe':
      return Kretprobe;
    case 'fentry':
      return Fentry;
    case 'fexit':
      return Fexit;
    case 'lsm':
      return Lsm;
    default:
      return Program;
  }
}
