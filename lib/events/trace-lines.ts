/** A line of bpf_printk(). */
export interface KernelLogLine {
  /** The thread's name as the program ran; not escaped. */
  readonly task: string;
  /** The thread's id; 0 for an idle CPU. */
  readonly pid: number;
  readonly cpu: number;
  /** Nanoseconds since boot, precise to a microsecond. */
  readonly timestamp: bigint;
  /** What the program wrote, without the newline at its end; not escaped. */
  readonly message: string;
}

/** What one step of reading found: `lost` lines had no room. */
export interface TraceLines {
  readonly lines: readonly KernelLogLine[];
  readonly lost: number;
}

/** `  cat-1234    [003] d..31  1234.567890: bpf_trace_printk: text`, with `(tgid)` where the option record-tgid is on. */
const header =
  /^ *(?<task>.*)-(?<pid>\d+) +(?:\( *[\d-]+\) +)?\[(?<cpu>\d+)\] +\S+ +(?<seconds>\d+)\.(?<fraction>\d+): bpf_trace_printk: (?<message>.*)$/u;
const anyHeader = /^ *.*-\d+ +(?:\( *[\d-]+\) +)?\[\d+\] +\S+ +[\d.]+: [\w:]+/u;
const loss = /^CPU:\d+ \[LOST (?<count>\d+ )?EVENTS\]$/u;

/**
 * Takes the text of trace_pipe apart. A message may have several lines: what begins like no line of the kernel's goes on
 * with the one before. Lines of other events are passed over.
 */
export class TraceLineParser {
  #rest = '';
  #last: KernelLogLine | undefined;

  /** Takes the next piece, which need not end with a line. What may still go on is kept back until {@link flush}. */
  push(piece: string): TraceLines {
    const text = (this.#rest + piece).split('\n');
    this.#rest = text.pop() ?? '';
    const lines: KernelLogLine[] = [];
    let lost = 0;
    for (const line of text) {
      const groups = header.exec(line)?.groups;
      const lostHere = loss.exec(line);
      if (groups === undefined && lostHere === null && this.#last !== undefined && !anyHeader.test(line)) {
        this.#last = { ...this.#last, message: `${this.#last.message}\n${line}` };
        continue;
      }
      lines.push(...this.#take());
      if (lostHere !== null) lost += Number(lostHere.groups?.['count'] ?? 1);
      if (groups !== undefined) this.#last = lineOf(groups);
    }
    return { lines, lost };
  }

  /** The line that was kept back: there is no more for now. */
  flush(): KernelLogLine[] {
    return this.#take();
  }

  #take(): KernelLogLine[] {
    const last = this.#last;
    this.#last = undefined;
    // A format that ends in a newline is shown with an empty line behind it.
    return last === undefined ? [] : [{ ...last, message: last.message.replace(/\n+$/u, '') }];
  }
}

function lineOf({
  task = '',
  pid,
  cpu,
  seconds = '',
  fraction = '',
  message = '',
}: Record<string, string>): KernelLogLine {
  const timestamp = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9));
  return { task, pid: Number(pid), cpu: Number(cpu), timestamp, message };
}
