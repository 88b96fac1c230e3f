// Run by arena.test.ts: adds one to what another process has in its arena.
import { Arena } from '../../../lib/index.js';

const [id = ''] = process.argv.slice(2);
try {
  using arena = Arena.open({ id: Number(id) });
  arena.memory.storeUint32(8, arena.memory.loadUint32(8) + 1);
  console.log('done');
} catch (error) {
  console.log((error as Error).message);
}
