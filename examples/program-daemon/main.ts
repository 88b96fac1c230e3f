// Loads programs for users who may not: the daemon, and its client.
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

import { EbpfError, enableStats, escapeControl } from 'node-ebpf';

import { Daemon } from './daemon.js';
import { parseGrants } from './grants.js';
import { Holder } from './holder.js';
import { parseJson, Refusal } from './protocol.js';

const usage = `program-daemon serve GRANTS.json [--run DIR] [--state DIR] [--bpffs DIR]
program-daemon load NAME OBJECT --attach 'PROGRAM [HOOK INTERFACE [PRIORITY]]'... [--variables JSON] --socket PATH
program-daemon unload NAME --socket PATH
program-daemon list|trace --socket PATH

  PATH   the socket of a grant: /run/program-daemon/GRANT.sock
  HOOK   xdp, tc/ingress or tc/egress; without it the program's section says where it belongs`;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    run: { type: 'string', default: '/run/program-daemon' },
    state: { type: 'string', default: '/var/lib/program-daemon' },
    bpffs: { type: 'string', default: '/sys/fs/bpf' },
    socket: { type: 'string' },
    attach: { type: 'string', multiple: true, default: [] },
    variables: { type: 'string', default: '{}' },
  },
});
const [command = '', operand, object] = positionals;
const operands: Readonly<Record<string, number>> = { serve: 1, load: 2, unload: 1, list: 0, trace: 0 };

try {
  if (positionals.length - 1 !== operands[command]) {
    console.error(usage);
    process.exitCode = 2;
  } else if (command === 'serve' && operand !== undefined) await serve(operand);
  else await ask(options.socket ?? '');
} catch (error) {
  // What the user can do something about is told in a sentence.
  if (!EbpfError.is(error) && !(error instanceof Refusal) && !(error instanceof Error && 'syscall' in error))
    throw error;
  console.error(error.message);
  process.exitCode = 1;
}

async function serve(file: string): Promise<void> {
  const { run, state, bpffs } = options;
  const grants = parseGrants(readFileSync(file, 'utf8'));
  mkdirSync(state, { recursive: true, mode: 0o700 });
  // Runs of programs are counted while the daemon runs.
  using _stats = enableStats();
  const daemon = new Daemon({ holder: new Holder({ bpffs, state }), run, state });
  await daemon.start(grants);
  console.log(`serving ${[...grants.keys()].join(', ')} in ${run}`);
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort());
  await once(ending.signal, 'abort');
  await daemon.close();
}

async function ask(path: string): Promise<void> {
  const attach = options.attach.map((each) => {
    const [program, hook, place, priority] = each.split(' ');
    return { program, hook, interface: place, priority: priority === undefined ? undefined : Number(priority) };
  });
  const bytes = object === undefined ? undefined : readFileSync(object).toString('base64');
  const load = { object: bytes, attach, variables: parseJson(options.variables, '--variables') };
  const socket = connect(path);
  await once(socket, 'connect');
  socket.write(`${JSON.stringify({ do: command, name: operand, ...(bytes === undefined ? {} : load) })}\n`);
  const { value } = (await createInterface({ input: socket })[Symbol.asyncIterator]().next()) as { value?: string };
  socket.destroy();
  if (value === undefined) throw new Refusal('ERR_GONE', 'the daemon ended without an answer');
  const answer = JSON.parse(value) as { readonly ok: boolean; readonly held?: object[]; readonly trace?: object[] };
  for (const line of answer.held ?? answer.trace ?? [answer]) console.log(escapeControl(JSON.stringify(line)));
  if (!answer.ok) process.exitCode = 1;
}
