// The sockets, one for each grant. A connection has one request, a line of JSON, and one answer.
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { chownSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';

import { EbpfError, jsonReplacer } from 'node-ebpf';

import { anyRequest, parse, Refusal, type Grant, type Request } from './grants.js';
import type { Holder } from './holder.js';

/** The longest request, which has an object in it as base64. */
const mostBytes = 8 * 1024 * 1024;
/** How long a client may be silent, and a request may take. */
const patienceMs = 30_000;
/** Connections of a grant at the same time. */
const mostConnections = 4;

/** Serves grants until `ending` aborts: of what is on its way then nothing stays, and what is held stays held. */
export async function serve(grants: Grant[], holder: Holder, run: string, ending: AbortSignal): Promise<void> {
  mkdirSync(run, { recursive: true, mode: 0o755 });
  const { uid, mode } = statSync(run);
  if (uid !== process.getuid?.() || (mode & 0o022) !== 0)
    throw new Refusal('ERR_FOLDER', `others can write to ${run}, and put sockets of their own there`);
  const socketOf = ({ name }: Grant): string => join(run, `${name}.sock`);
  for (const grant of grants) await requireUnused(socketOf(grant));
  await holder.restore(grants);
  const conversations = new Map<Socket, Promise<void>>();
  for (const grant of grants) {
    const server = createServer((socket) => {
      const ended = converse(grant, holder, socket).finally(() => conversations.delete(socket));
      conversations.set(socket, ended);
    });
    server.maxConnections = mostConnections;
    const path = socketOf(grant);
    rmSync(path, { force: true });
    // Nobody's until it is its owner's.
    const mask = process.umask(0o177);
    server.listen({ path, signal: ending });
    process.umask(mask);
    await once(server, 'listening');
    chownSync(path, grant.uid, -1);
  }
  console.log(`serving ${grants.map(({ name }) => name).join(', ')} in ${run}`);
  if (!ending.aborted) await once(ending, 'abort');
  for (const socket of conversations.keys()) socket.destroy();
  await Promise.all(conversations.values());
}

/** A socket whose daemon was killed is still there, and takes no connections. */
async function requireUnused(path: string): Promise<void> {
  const socket = connect(path);
  const used = await once(socket, 'connect').catch(() => undefined);
  socket.destroy();
  if (used !== undefined) throw new Refusal('ERR_RUNNING', `another daemon serves ${path}`);
}

async function converse(grant: Grant, holder: Holder, socket: Socket): Promise<void> {
  const gone = new AbortController();
  socket.on('error', () => socket.destroy()).once('close', () => gone.abort());
  socket.setTimeout(patienceMs, () => socket.destroy());
  const said = await firstLine(socket)
    .then(async (line) => answer(grant, holder, parse(anyRequest, line, 'request'), gone.signal))
    .catch((error: unknown) => (gone.signal.aborted ? {} : failure(error)));
  socket.end(`${JSON.stringify(said, jsonReplacer)}\n`, () => socket.destroy());
}

async function firstLine(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > mostBytes) throw new Refusal('ERR_TOO_LARGE', `a request has at most ${mostBytes} bytes`);
    if (chunk.includes('\n')) break;
  }
  // Nothing more is wanted, but to know that the client is still there.
  socket.resume();
  return Buffer.concat(chunks).toString().split('\n', 1).join();
}

async function answer(grant: Grant, holder: Holder, request: Request, signal: AbortSignal): Promise<object> {
  if (request.do === 'list') return { ok: true, ...(await holder.list(grant)) };
  if (request.do === 'trace') return { ok: true, trace: holder.trace(grant.name) };
  const { name } = request;
  const isLoad = request.do === 'load';
  const work = isLoad ? holder.load(grant, request, signal) : holder.unload(grant, name);
  const said = await work.then((done) => ({ ok: true, ...done }), failure);
  const object = isLoad ? hash('sha256', request.object) : undefined;
  const error = 'error' in said ? said.error.code : undefined;
  holder.note(grant.name, { uid: grant.uid, do: request.do, name, ok: said.ok, object, error });
  return said;
}

/** What is answered when a request failed. What is no affair of the client's is told on the daemon's own side. */
function failure(error: unknown): { readonly ok: false; readonly error: { code: string; message: string } } {
  const known = error instanceof Refusal || EbpfError.is(error);
  if (!known && !(error instanceof Error && error.name === 'AbortError')) console.error(error);
  const { code, message } = known ? error : { code: 'ERR_INTERNAL', message: 'the daemon could not do it' };
  return { ok: false, error: { code, message, ...(error instanceof Refusal ? error.details : {}) } };
}
