import { RecordBuffer } from './event-source.js';
import { PerfBuffer } from './perf-buffer.js';

/**
 * Tells when CPUs go online or offline, as the kernel says in uevents: a perf buffer of no CPU waits for nothing else. Keeps no event
 * loop alive. Where a process may not hear the kernel it stays silent.
 */
export class CpuWatch {
  readonly #buffer = PerfBuffer.open('of no CPU', { times: false, newest: false });
  readonly #nothing = new RecordBuffer(16, 1);

  /** Calls `onChange` for what happened since this was made and has not been told, soon, and then whenever something does. */
  start(onChange: () => void): void {
    this.#buffer.arm(() => {
      if (this.#buffer.closed) return;
      const { cpusChanged } = this.#buffer.drain(this.#nothing);
      this.start(onChange);
      if (cpusChanged) onChange();
    });
  }

  close(): void {
    this.#buffer.close();
  }
}
