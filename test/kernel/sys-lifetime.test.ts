import { join } from 'node:path';

import { listIds } from '../../lib/sys/index.js';
import { runChild } from '../helpers/child.js';
import { until } from '../helpers/until.js';

jest.setTimeout(60_000);

const script = join(__dirname, 'children', 'sys-lifetime.ts');

const stages = [
  'maps',
  'a load under way',
  'several calls under way',
  'a ring waiting',
  'a ring waited for',
  'events arriving',
  'a batch being drained',
  'an attached link',
  'a link being closed',
];

/** Ids of everything of BPF on this machine: what a child leaves behind shows up here. */
const allIds = () => [listIds('program'), listIds('map'), listIds('link')].map((ids) => ids.length).join(' ');

async function endsCleanly(how: string, stage: string): Promise<string> {
  const before = allIds();
  const { code, signal, stdout, stderr } = await runChild(script, [how, stage]);
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  // Other processes load programs too; a leak stays.
  await until(() => allIds() === before).catch((error: unknown) => {
    throw new Error(`programs, maps, links before: ${before}, after: ${allIds()}`, { cause: error });
  });
  return stdout;
}

describe('a Worker is terminated with', () => {
  test.each(stages)('%s: the process goes on, nothing stays', async (stage) => {
    expect(await endsCleanly('worker', stage)).toBe('the process goes on\n');
  });
});

describe('a process ends by itself with', () => {
  // Not with events arriving: such a process has work to do.
  test.each([...stages.filter((stage) => stage !== 'events arriving'), 'an exception in a callback'])(
    '%s',
    async (stage) => {
      await endsCleanly('main', stage);
    },
  );
});

describe('process.exit() with', () => {
  test.each(stages)('%s', async (stage) => {
    await endsCleanly('exit', stage);
  });
});
