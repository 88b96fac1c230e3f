import { join } from 'node:path';

import { runChild } from '../helpers/child.js';
import { objectsNamed } from '../helpers/objects-named.js';
import { until } from '../helpers/until.js';

jest.setTimeout(60_000);

const script = join(__dirname, 'children', 'sys-lifetime.ts');

const stages = [
  'maps',
  'a load under way',
  'several calls under way',
  'files being read',
  'a ring waiting',
  'a ring waited for',
  'events arriving',
  'a batch being drained',
  'an attached link',
  'a link being closed',
];

let children = 0;

async function endsCleanly(how: string, stage: string): Promise<string> {
  const name = `life_${process.pid}_${children++}`;
  const { code, signal, stdout, stderr } = await runChild(script, [how, stage, name]);
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  // A link would show too: it keeps its program.
  await until(() => objectsNamed(name) === 0);
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
