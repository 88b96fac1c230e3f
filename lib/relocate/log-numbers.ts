import { quote, RelocationError } from '../errors/index.js';
import { LOG_SECTION, type ProgramLog } from '../object/index.js';

/** A record has two bytes for the number; 0 is what programs write that someone else has loaded. */
const MOST_LOGS = 0xffff;

/** Numbers the logs of an object, those of each program for themselves: a number tells the program too. */
export class LogNumbers {
  /** The log numbered 1 comes first. */
  readonly logs: ProgramLog[] = [];
  readonly #numbers = new Map<string, number>();

  /** The number of a log, the same each time. */
  of(log: ProgramLog): number {
    const key = `${log.offset} ${log.program}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    if (this.logs.length === MOST_LOGS) {
      throw new RelocationError(
        `the object has more than ${MOST_LOGS} logs, those of each program counted; load fewer programs at once, or a lower logLevel`,
        { program: log.program, access: quote(LOG_SECTION) },
      );
    }
    const number = this.logs.push(log);
    this.#numbers.set(key, number);
    return number;
  }
}
