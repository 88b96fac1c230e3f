// The sockets, one for each grant, and the trace of what was asked for.
import { once } from 'node:events';
import { appendFileSync, chmodSync, chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { renameSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

import type { Grant } from './grants.js';
import { hashOf, type Holder } from './holder.js';
import { converse, failure, parseRequest, Refusal, type Request } from './protocol.js';

/** Connections of a grant at the same time. */
const mostConnections = 4;
/** The trace of a grant is kept in two files of about this size, and told from its end. */
const traceBytes = 1024 * 1024;
const traceLines = 200;

export interface DaemonOptions {
  readonly holder: Holder;
  /** The folder of the sockets, and that of the trace. */
  readonly run: string;
  readonly state: string;
}

export class Daemon {
  readonly #holder: Holder;
  readonly #run: string;
  readonly #trace: string;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #working = new Set<Promise<object>>();

  constructor({ holder, run, state }: DaemonOptions) {
    this.#holder = holder;
    this.#run = run;
    this.#trace = join(state, 'trace');
  }

  async start(grants: ReadonlyMap<string, Grant>): Promise<void> {
    mkdirSync(this.#trace, { recursive: true, mode: 0o700 });
    mkdirSync(this.#run, { recursive: true, mode: 0o755 });
    const { uid, mode } = statSync(this.#run);
    if (uid !== process.getuid?.() || (mode & 0o022) !== 0)
      throw new Refusal('ERR_FOLDER', `others can write to ${this.#run}, and put sockets of their own there`);
    for (const name of grants.keys()) await requireUnused(this.#socketOf(name));
    for (const key of await this.#holder.restore(grants)) {
      const [grant, name] = key.split('@');
      this.#note(grant ?? '', { do: 'undo', name });
    }
    for (const grant of grants.values()) await this.#listen(grant);
  }

  /** Ends what is on its way, of which nothing stays, and the sockets. What is held stays held. */
  async close(): Promise<void> {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#working);
  }

  #socketOf(name: string): string {
    return join(this.#run, `${name}.sock`);
  }

  async #listen(grant: Grant): Promise<void> {
    const server = createServer((socket) => {
      this.#sockets.add(socket.once('close', () => this.#sockets.delete(socket)));
      converse(socket, async (line, signal) => this.#answer(grant, line, signal));
    });
    server.maxConnections = mostConnections;
    const path = this.#socketOf(grant.name);
    rmSync(path, { force: true });
    // Nobody's until it is its owner's.
    const mask = process.umask(0o177);
    server.listen(path);
    process.umask(mask);
    await once(server, 'listening');
    chmodSync(path, 0o600);
    chownSync(path, grant.uid, -1);
    this.#servers.push(server);
  }

  async #answer(grant: Grant, line: string, signal: AbortSignal): Promise<object> {
    let request: Request | undefined;
    const work = (async () => {
      request = parseRequest(line);
      return { ok: true, ...(await this.#do(grant, request, signal)) };
    })().catch(failure);
    this.#working.add(work);
    const answer: { ok: boolean; error?: { code: string } } = await work;
    this.#working.delete(work);
    const { do: asked, name, object: bytes } = request ?? {};
    const { ok, error } = answer;
    const object = asked === 'load' && bytes !== undefined ? hashOf(bytes) : undefined;
    if (asked !== 'list' && asked !== 'trace')
      this.#note(grant.name, { uid: grant.uid, do: asked, name, ok, object, error: error?.code });
    return answer;
  }

  async #do(grant: Grant, request: Request, signal: AbortSignal): Promise<object> {
    if (request.do === 'load') return this.#holder.load(grant, request, signal);
    if (request.do === 'unload') return this.#holder.unload(grant, request);
    if (request.do === 'list') return this.#holder.list(grant);
    const file = this.#traceOf(grant.name);
    const texts = [`${file}.old`, file].map((each) => (existsSync(each) ? readFileSync(each, 'utf8') : ''));
    // What a kill cut off is no line.
    const lines = texts
      .join('')
      .split('\n')
      .filter((line) => line.endsWith('}'));
    return { trace: lines.slice(-traceLines).map((line) => JSON.parse(line) as unknown) };
  }

  #traceOf(grant: string): string {
    return join(this.#trace, `${grant}.jsonl`);
  }

  #note(grant: string, entry: object): void {
    const file = this.#traceOf(grant);
    if (existsSync(file) && statSync(file).size > traceBytes) renameSync(file, `${file}.old`);
    appendFileSync(file, `${JSON.stringify({ time: new Date(), ...entry })}\n`, { mode: 0o600 });
  }
}

/** A socket whose daemon was killed is still there, and takes no connections. */
async function requireUnused(path: string): Promise<void> {
  const socket = connect(path);
  const used = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  if (used) throw new Refusal('ERR_RUNNING', `another daemon serves ${path}`);
}
