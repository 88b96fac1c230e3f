import { join } from 'node:path';

import { runChild } from '../helpers/child.js';
import { emulated } from '../helpers/emulation.js';

jest.setTimeout(120_000);

const script = join(__dirname, 'children', 'events-lifetime.ts');

/** Stages that end by themselves. */
const ended = ['a handler that throws', 'an abort under load', 'a close during a batch', 'a batch used after its time'];
/** Stages that leave readers open. */
const left = ['a reader nobody asks', 'a reader that waits', 'several readers', 'a flight recorder'];

/** Several stages in one process: a process takes longer to start than a stage does. */
async function endsCleanly(how: string, kind: string, ...stages: string[]): Promise<void> {
  const { code, signal, stdout, stderr } = await runChild(script, [how, kind, ...stages], { timeoutMs: 100_000 });
  expect({ code, signal, stderr, stdout }).toEqual({ code: 0, signal: null, stderr: '', stdout: 'the end\n' });
}

describe.each(['ring', 'perf'])('%s:', (kind) => {
  test('Workers are terminated at every stage: the process goes on, no descriptor stays', async () => {
    // A Worker starts slowly: where that is ten times slower still, only what is open to the end.
    await endsCleanly('worker', kind, ...(emulated ? ['several readers'] : [...ended, ...left]), 'events arriving');
  });

  test('a process ends by itself after every stage, and with readers that are left open', async () => {
    await endsCleanly('main', kind, ...ended, 'a handler that throws where nobody catches', ...left);
  });

  test('process.exit() ends a process while events arrive', async () => {
    await endsCleanly('exit', kind, ...left, 'events arriving');
  });
});
