// Loads an object whose maps do not fit in the limit of locked memory that this process was started with.
import { readFileSync } from 'node:fs';

import { Ebpf } from '../../../lib/index.js';

function limit(): string {
  return /^Max locked memory\s+(\S+)/mu.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 'not told';
}

async function main(): Promise<void> {
  console.log(`before ${limit()}`);
  const ebpf = await Ebpf.load(process.argv[2] ?? '');
  console.log('loaded');
  await ebpf.close();
  console.log(`after ${limit()}`);
}

void main();
