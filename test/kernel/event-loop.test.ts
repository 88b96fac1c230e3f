// The measure of how long the event loop is held, which tests of attaching and reading trust.
import { setImmediate as nextTurn } from 'node:timers/promises';

import { computed, heldBy, heldTooLong } from '../helpers/event-loop.js';

/** Takes the processor for a while. */
function compute(milliseconds: number): void {
  const end = computed() + milliseconds;
  while (computed() < end);
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await nextTurn();
}

describe('the measure of a held event loop', () => {
  test('tells of work at a stretch', async () => {
    const stretch = async (): Promise<void> => {
      compute(5);
      return Promise.resolve();
    };
    const [found, ...others] = await heldTooLong(async () => ({ stretch: await heldBy(stretch) }));
    expect(found).toMatch(/^stretch: .* ms, [0-3] turns$/);
    expect(others).toEqual([]);
  });

  test('tells how long the longest stretch was', async () => {
    const { longest, turns: given } = await heldBy(async () => {
      await turns(10);
      compute(60);
      await turns(10);
    });
    expect(longest).toBeGreaterThanOrEqual(60);
    expect(given).toBeGreaterThan(10);
  });

  test('has nothing to tell of work in small pieces', async () => {
    expect(await heldTooLong(async () => ({ pieces: await heldBy(async () => turns(50)) }))).toEqual([]);
  });
});
