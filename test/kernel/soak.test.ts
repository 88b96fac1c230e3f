import { emulated } from '../helpers/emulation.js';
import { soak } from '../helpers/soak.js';

jest.setTimeout(60_000);

/** `npm run soak` does the same with a hundred million and more. */
const records = emulated ? 20_000 : 400_000;

test.each(['ring', 'perf'] as const)('%s: a slow consumer receives all that is not counted as lost', async (kind) => {
  const result = await soak({ kind, records, pauseMs: emulated ? 20 : 100, batchesPerPause: 16 });
  expect(result.damaged).toBe(0);
  expect(result.produced).toBeGreaterThanOrEqual(records);
  expect(result.received + result.dropped).toBe(result.produced);
  expect(result.missing).toBe(result.dropped);
  expect(result.received).toBeGreaterThan(0);
  // Before Linux 6.0 the kernel tells with the next record that it can write.
  if (result.lost !== undefined) expect(result.lost).toBeLessThanOrEqual(result.dropped);
  if (!emulated) {
    expect(result.dropped).toBeGreaterThan(0);
    // Perf buffers that are nearly full may have had no room for any of the few large ones.
    if (kind === 'ring') expect(result.largest).toBeGreaterThan(135);
  }
});
