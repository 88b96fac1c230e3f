import type { EventReader } from '../../index.js';
import { jsonLine } from '../json-line.js';
import { STREAM_WIDTHS, Table } from '../table.js';

/** One ring being read and printed. */
export interface EventStreamOptions {
  readonly map: string;
  readonly reader: EventReader<unknown>;
  /** JSON lines instead of columns. */
  readonly json: boolean;
  /** Several rings are printed: each event says which it is from. */
  readonly named: boolean;
}

/** Turns the events of one ring into the text that is printed, and counts them. */
export class EventStream {
  readonly map: string;
  readonly reader: EventReader<unknown>;
  readonly #json: boolean;
  readonly #named: boolean;
  readonly #table: Table = new Table({ minimum: STREAM_WIDTHS });
  #printed = 0;

  constructor(options: EventStreamOptions) {
    this.map = options.map;
    this.reader = options.reader;
    this.#json = options.json;
    this.#named = options.named;
  }

  /** How many events were made into text. */
  get printed(): number {
    return this.#printed;
  }

  /** The events as lines. */
  format(events: readonly unknown[]): string {
    this.#printed += events.length;
    if (this.#json) return events.map((event) => jsonLine(this.#jsonValue(event))).join('');
    return this.#table.lines(events.map((event) => this.#row(event)));
  }

  #jsonValue(event: unknown): unknown {
    if (this.#named) return { map: this.map, event };
    // Every line is an object, whatever the record is.
    return event instanceof Uint8Array ? { bytes: event } : event;
  }

  #row(event: unknown): unknown {
    if (!this.#named) return event instanceof Uint8Array ? { bytes: event } : event;
    const isStruct = typeof event === 'object' && event !== null && !(event instanceof Uint8Array);
    return isStruct && !('map' in event) ? { map: this.map, ...event } : { map: this.map, event };
  }
}
