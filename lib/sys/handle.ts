import { KernelError, quote } from '../errors/index.js';
import { addon } from './addon.js';
import { trace } from './trace.js';

export type HandleKind =
  'map' | 'program' | 'link' | 'btf' | 'perf-event' | 'iterator' | 'socket' | 'mapping' | 'ring' | 'other';

interface Finalised {
  readonly kind: HandleKind;
  readonly name: string | undefined;
  readonly token: number;
}

/** No token is negative, so every call with this one is refused with EBADF. */
const CLOSED = -1;

let warned = false;

const registry = new FinalizationRegistry<Finalised>(({ kind, name, token }) => {
  trace(`close(${kind} ${token}), garbage collected`, addon().close(token));
  if (warned) return;
  warned = true;
  process.emitWarning(
    `a ${kind}${name === undefined ? '' : ` (${quote(name)})`} was garbage collected without close(); ` +
      'close what you load, or keep it with `await using`. Later cases are closed without this warning.',
    { type: 'EbpfLeakWarning', code: 'EBPF_LEAK' },
  );
});

/**
 * A kernel object that this process holds. The descriptor itself stays in the addon.
 *
 * Garbage collection closes only what is `collectable`: a map, its memory, a program or BTF object that nobody can reach. A link, a
 * perf event or a ring works on without being referenced, so the environment keeps it until it is closed.
 */
export class Handle {
  readonly kind: HandleKind;
  /** The object's name, for messages. */
  readonly name: string | undefined;
  /** @internal The addon's name for the descriptor, negative once closed. */
  token: number;
  #collectable = false;

  constructor(kind: HandleKind, token: number, name?: string) {
    this.kind = kind;
    this.token = token;
    this.name = name;
    this.collectable = kind === 'map' || kind === 'program' || kind === 'btf' || kind === 'mapping';
  }

  get closed(): boolean {
    return this.token === CLOSED;
  }

  /** Whether garbage collection closes it, with one warning per process. */
  get collectable(): boolean {
    return this.#collectable;
  }

  set collectable(value: boolean) {
    if (value === this.#collectable || this.closed) return;
    this.#collectable = value;
    if (value) registry.register(this, { kind: this.kind, name: this.name, token: this.token }, this);
    else registry.unregister(this);
  }

  /** Closes it now; a call that still uses it off the event loop keeps the descriptor until it returns. Idempotent. */
  close(): void {
    const token = this.#forget();
    if (token !== CLOSED) trace(`close(${this.kind} ${token})`, addon().close(token));
  }

  /** As {@link close}, with the waiting that closing a link or perf event may cost off the event loop. */
  async closeAsync(): Promise<void> {
    const token = this.#forget();
    if (token === CLOSED) return;
    const result = await new Promise<number>((resolve) => {
      const started = addon().close(token, resolve);
      if (started !== 0) resolve(Math.min(started, 0));
    });
    trace(`close(${this.kind} ${token})`, result);
    if (result < 0) throw new KernelError(`close ${this.describe()}`, 'close', result);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** `map "events"`, for messages. */
  describe(): string {
    if (this.kind === 'other' && this.name !== undefined) return this.name;
    const noun = this.kind === 'btf' ? 'BTF' : this.kind.replace('-', ' ');
    return this.name === undefined || this.name === '' ? noun : `${noun} ${quote(this.name)}`;
  }

  #forget(): number {
    const token = this.token;
    if (token === CLOSED) return CLOSED;
    this.collectable = false;
    this.token = CLOSED;
    return token;
  }
}
