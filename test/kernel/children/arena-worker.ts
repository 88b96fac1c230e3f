// Run by arena.test.ts: a Worker adds to what the main thread has in an arena.
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';

import { Arena, type ShareToken } from '../../../lib/index.js';

async function main(): Promise<void> {
  using arena = await Arena.create({ maxEntries: 1 });
  arena.memory.storeUint32(8, 41);
  const data: unknown = [arena.share(), arena.address];
  const worker = new Worker(__filename, { workerData: data, execArgv: process.execArgv });
  await new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
  console.log(arena.memory.loadUint32(8));
}

function work(): void {
  const [token, address] = workerData as [ShareToken, bigint];
  using arena = Arena.open(token);
  if (arena.address !== address) throw new Error('another place');
  arena.memory.storeUint32(8, arena.memory.loadUint32(8) + 1);
  parentPort?.close();
}

if (isMainThread) void main();
else work();
