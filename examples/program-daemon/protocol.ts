// What clients say: a JSON object on a line for each request, and one in answer.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { EbpfError, jsonReplacer } from 'node-ebpf';

/** The longest request, which has an object in it as base64. */
const mostBytes = 8 * 1024 * 1024;
/** Programs that a request attaches. */
const mostAttachments = 64;
/** How long a client may be silent, and a request may take. */
const patienceMs = 30_000;

/** Where a program is attached. */
export interface Attachment {
  readonly program: string;
  /** `xdp`, `tc/ingress`, `tc/egress`; without it the program's section says it. */
  readonly hook?: string | undefined;
  /** Of those three. */
  readonly interface?: string | undefined;
  /** Of those three, 1 to 65535: lower ones run first. */
  readonly priority: number;
}

export interface Request {
  readonly do: 'load' | 'unload' | 'list' | 'trace';
  /** What the client calls its load. */
  readonly name: string;
  /** Of a load, as are the rest. */
  readonly object: Uint8Array;
  readonly variables: Readonly<Record<string, unknown>>;
  /** What is attached, of which the programs are loaded. */
  readonly attach: readonly Attachment[];
}

/** A request that is not done, and why: `details` name what is at fault. */
export class Refusal extends Error {
  override name = 'Refusal';
  readonly code: string;
  readonly details: object;

  constructor(code: string, message: string, details: object = {}) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

export function wrong(path: string, problem: string): Refusal {
  return new Refusal('ERR_REQUEST', `${path} ${problem}`, { path });
}

/** The members of an object, of which none are unknown. @throws {@link Refusal}, as all that is parsed here. */
export function members(value: unknown, path: string, known?: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(path, 'must be an object');
  const unknown = Object.keys(value).find((key) => known?.includes(key) === false);
  if (unknown !== undefined) throw wrong(path, `has no member ${JSON.stringify(unknown)}`);
  return value as Record<string, unknown>;
}

export function list<Item>(value: unknown, path: string, item: (value: unknown, path: string) => Item): Item[] {
  if (!Array.isArray(value)) throw wrong(path, 'must be a list');
  return value.map((each: unknown, index) => item(each, `${path}[${index}]`));
}

export function text(value: unknown, path: string): string {
  if (typeof value === 'string') return value;
  throw wrong(path, 'must be a string');
}

export function integer(value: unknown, path: string, least = 0, most = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw wrong(path, `must be a whole number from ${least} to ${most}`);
}

/** A name that becomes a file's: BPF file systems take no dots. */
export function label(value: unknown, path: string): string {
  if (typeof value === 'string' && /^[A-Za-z0-9_-]{1,40}$/.test(value)) return value;
  throw wrong(path, 'must be of 1 to 40 letters, digits, - and _');
}

export function parseJson(json: string, path: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw wrong(path, `is no JSON: ${error instanceof Error ? error.message : ''}`);
  }
}

export function parseRequest(line: string): Request {
  const known = ['do', 'name', 'object', 'variables', 'attach'];
  const {
    name,
    object = '',
    variables = {},
    attach = [],
    ...request
  } = members(parseJson(line, 'request'), 'request', known);
  const action = (['load', 'unload', 'list', 'trace'] as const).find((each) => each === request['do']);
  if (action === undefined) throw wrong('do', "must be 'load', 'unload', 'list' or 'trace'");
  if (action === 'load') integer(list(attach, 'attach', parseAttachment).length, 'attach.length', 1, mostAttachments);
  return {
    do: action,
    name: action === 'load' || action === 'unload' ? label(name, 'name') : '',
    object: Buffer.from(text(object, 'object'), 'base64'),
    variables: members(variables, 'variables'),
    attach: list(attach, 'attach', parseAttachment),
  };
}

function parseAttachment(value: unknown, path: string): Attachment {
  const given = members(value, path, ['program', 'hook', 'interface', 'priority']);
  const { hook, interface: name, priority = 50 } = given;
  if ((hook === undefined) !== (name === undefined))
    throw wrong(path, 'must have both a hook and an interface, or none');
  return {
    program: text(given['program'], `${path}.program`),
    ...(hook === undefined ? {} : { hook: text(hook, `${path}.hook`), interface: text(name, `${path}.interface`) }),
    priority: integer(priority, `${path}.priority`, 1, 65_535),
  };
}

/** Answers the lines of a connection, one after the other. `signal` aborts when the client is gone or took too long. */
export function converse(socket: Socket, answer: (line: string, signal: AbortSignal) => Promise<object>): void {
  const gone = new AbortController();
  let chunks: Buffer[] = [];
  let size = 0;
  let busy = false;
  const work = async (): Promise<void> => {
    busy = true;
    while (!gone.signal.aborted) {
      const [first, ...more] = chunks;
      const whole = first !== undefined && more.length === 0 ? first : Buffer.concat(chunks);
      const end = whole.indexOf('\n');
      chunks = [whole.subarray(end + 1)];
      size = whole.length - end - 1;
      if (end < 0) break;
      const response = JSON.stringify(await answer(whole.toString('utf8', 0, end), gone.signal), jsonReplacer);
      // Who does not read the answers gets no more of them.
      if (!socket.write(`${response}\n`)) await once(socket, 'drain', gone);
      // Nor does who sends many requests at once keep others from theirs.
      await nextTurn();
    }
    busy = false;
  };
  socket.setTimeout(patienceMs, () => socket.destroy());
  socket.on('data', (chunk) => {
    chunks.push(chunk);
    size += chunk.length;
    if (size > mostBytes) {
      const refusal = failure(new Refusal('ERR_TOO_LARGE', `a request has at most ${mostBytes} bytes`));
      socket.pause().end(`${JSON.stringify(refusal)}\n`, () => socket.destroy());
    } else if (!busy && chunk.includes('\n')) work().catch(() => socket.destroy());
  });
  socket.on('error', () => socket.destroy());
  socket.once('close', () => gone.abort());
}

/** What is answered when a request failed. What is no affair of the client's is told on the daemon's own side. */
export function failure(error: unknown): { readonly ok: false; readonly error: { code: string; message: string } } {
  const known = error instanceof Refusal || EbpfError.is(error);
  if (!known && !(error instanceof Error && error.name === 'AbortError')) console.error(error);
  const { code, message } = known ? error : { code: 'ERR_INTERNAL', message: 'the daemon could not do it' };
  return { ok: false, error: { code, message, ...(error instanceof Refusal ? error.details : {}) } };
}
