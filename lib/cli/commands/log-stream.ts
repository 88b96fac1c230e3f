import type { Writable } from 'node:stream';

import { formatLog, type EventReader, type LogRecord } from '../../index.js';
import { jsonLine } from '../json-line.js';

/** Prints what programs log, apart from their events. */
export class LogStream {
  readonly reader: EventReader<LogRecord>;
  readonly #output: Writable;
  readonly #json: boolean;

  constructor(reader: EventReader<LogRecord>, output: Writable, json: boolean) {
    this.reader = reader;
    this.#output = output;
    this.#json = json;
  }

  /** Until the reader ends; then tells how many found no room. */
  async print(): Promise<void> {
    for await (const batch of this.reader.batches()) {
      const lines = Array.from(batch, (record) => (this.#json ? jsonLine({ log: record }) : `${formatLog(record)}\n`));
      this.#output.write(lines.join(''));
    }
    const { dropped = 0n } = this.reader.stats;
    if (dropped > 0n) this.#output.write(`${dropped} logs found no room.\n`);
  }
}
