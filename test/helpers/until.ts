import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for what happens elsewhere, such as the kernel's release of an object; fails after two seconds. */
export async function until(condition: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (condition()) return;
    await sleep(10);
  }
  throw new Error(`still not true after two seconds: ${condition.toString()}`);
}
