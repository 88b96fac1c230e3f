import type { Writable } from 'node:stream';

/**
 * Writes text no faster than it is taken, and notices when nobody takes it any more: a closed pipe (`| head`) is the
 * reader's way to say that it has enough, not a failure.
 */
export class Output {
  readonly #stream: Writable;
  readonly #onEnd: () => void;
  #ended = false;
  #failure: Error | undefined;
  #continue: (() => void) | undefined;

  /** `onEnd` is called once, when nothing more can be written. */
  constructor(stream: Writable, onEnd: () => void) {
    this.#stream = stream;
    this.#onEnd = onEnd;
    stream.on('error', this.#end);
    stream.on('drain', this.#resume);
  }

  /** True when the other end is gone. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Throws what made the stream fail, unless it was a closed pipe. */
  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async write(text: string): Promise<void> {
    if (this.#ended || text === '' || this.#stream.write(text)) return;
    if (!this.#stream.writableNeedDrain) return;
    await new Promise<void>((resolve) => {
      const previous = this.#continue;
      this.#continue = () => {
        previous?.();
        resolve();
      };
    });
  }

  readonly #resume = (): void => {
    const resume = this.#continue;
    this.#continue = undefined;
    resume?.();
  };

  readonly #end = (error: NodeJS.ErrnoException): void => {
    if (!this.#ended) {
      this.#ended = true;
      if (error.code !== 'EPIPE') this.#failure = error;
      this.#onEnd();
    }
    this.#resume();
  };
}
