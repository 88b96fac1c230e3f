/** What a verifier log says in short. */
export interface LogSummary {
  /** The reason, with the last instruction before it. */
  readonly summary: string;
  /** Index of the instruction at fault, when the log names one. */
  readonly instruction: number | undefined;
  /** The source line that the verifier printed last: `x.bpf.c:12: *p = 1`. */
  readonly line: string | undefined;
}

/** Lines of the reason that are shown; the rest is in the log. */
const mostLines = 4;

const instructionLine = /^(?:\d+: )?(\d+): \([0-9a-f]{2}\) (.*)$/;
// "; *value = 1; @ rejected.bpf.c:27": the verifier prints the place since Linux 6.8.
const sourceLine = /^; (.*?)(?: @ (\S+):(\d+)(?::\d+)?)?$/;
const noise =
  /^(?:processed \d+ insns|verification time|stack depth|insns_processed|max_states|peak_states|mark_read|from \d+ to \d+|\d+: (?:R\d|safe)|func#\d+ @|R\d=|caller:|callee:|-- (?:BEGIN|END)|Live regs|Validating |\s*$)/;

/** Finds the reason in a verifier's log: what stands after the last instruction. */
export function summarizeLog(log: string): LogSummary {
  const all = log.split('\n').map((line) => line.trimEnd());
  // Newest kernels (7.3) explain the failure a second time, at length and for people who read the whole log.
  const report = all.findIndex((line) => line.startsWith('Verification failed:'));
  const lines = report < 0 ? all : all.slice(0, report);
  let last = -1;
  for (let index = lines.length - 1; index >= 0 && last < 0; index--) {
    if (instructionLine.test(lines[index] ?? '')) last = index;
  }
  const reasons = lines
    .slice(last + 1)
    .filter((line) => line !== '' && !noise.test(line) && !line.startsWith(';'))
    .slice(-mostLines);
  const match = instructionLine.exec(lines[last] ?? '');
  const shown = match === null ? [] : [`instruction ${match[1] ?? ''}: ${withoutState(match[2] ?? '')}`];
  const named = /\binsn (\d+)\b/.exec(reasons.join('\n'))?.[1] ?? match?.[1];
  return {
    summary: [reasons.join('; ') || 'the log gives no reason', ...shown].join('\n    '),
    instruction: named === undefined ? undefined : Number(named),
    line: lastSource(lines.slice(0, Math.max(last, 0))),
  };
}

/** An instruction without the registers the verifier prints behind it. */
function withoutState(text: string): string {
  return text.replace(/\s*; (?:R\d+|fp-?\d|refs=|cb|callback).*$/, '');
}

function lastSource(lines: readonly string[]): string | undefined {
  for (let index = lines.length - 1; index >= 0; index--) {
    const match = sourceLine.exec(lines[index] ?? '');
    if (match !== null) {
      const [, text = '', file, number] = match;
      return file === undefined || number === undefined ? text : `${file}:${number}: ${text}`;
    }
  }
  return undefined;
}
