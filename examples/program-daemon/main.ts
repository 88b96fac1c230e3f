// Loads programs for users who may not: the daemon, and its client.
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';

import { EbpfError, enableStats, escapeControl } from 'node-ebpf';

import { serve } from './daemon.js';
import { grantsFile, parse, Refusal } from './grants.js';
import { Holder } from './holder.js';

const usage = `program-daemon serve GRANTS.json [--run DIR] [--state DIR] [--bpffs DIR]
program-daemon ask SOCKET REQUEST [OBJECT.bpf.o]

  SOCKET    that of a grant: /run/program-daemon/GRANT.sock
  REQUEST   in JSON: '{"do":"load","name":NAME,"attach":[{"program":PROGRAM,"hook":HOOK,"interface":NAME,"priority":10}]}',
            '{"do":"unload","name":NAME}', '{"do":"list"}' or '{"do":"trace"}'`;

const { values: places, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    run: { type: 'string', default: '/run/program-daemon' },
    state: { type: 'string', default: '/var/lib/program-daemon' },
    bpffs: { type: 'string', default: '/sys/fs/bpf' },
  },
});
const [command, first = '', request, object] = positionals;

try {
  if (command === 'serve' && positionals.length === 2) {
    // Runs of programs are counted while the daemon runs.
    using _stats = enableStats();
    const ending = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort());
    const grants = parse(grantsFile, readFileSync(first, 'utf8'), first);
    await serve(grants, new Holder(places.bpffs, places.state), places.run, ending.signal);
  } else if (command === 'ask' && request !== undefined) {
    await ask(first, JSON.parse(request) as object);
  } else {
    console.error(usage);
    process.exitCode = 2;
  }
} catch (error) {
  // What the user can do something about is told in a sentence.
  const isTold = error instanceof Refusal || error instanceof SyntaxError || EbpfError.is(error);
  if (!isTold && !(error instanceof Error && 'syscall' in error)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

async function ask(path: string, question: object): Promise<void> {
  const socket = connect(path);
  const bytes = object === undefined ? {} : { object: readFileSync(object).toString('base64') };
  socket.write(`${JSON.stringify({ ...question, ...bytes })}\n`);
  const answer = await text(socket);
  console.log(escapeControl(answer.trimEnd()));
  if (!answer.startsWith('{"ok":true')) process.exitCode = 1;
}
