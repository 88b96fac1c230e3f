// `npm start`: sets up what is missing, then runs the sample as anybody would run an object of their own. Flags are passed on.
import { createRequire } from 'node:module';
import path from 'node:path';
import { main, root } from './setup.mjs';

await main(undefined, (flags) => {
  const program = path.join(root, 'dist', 'cli', 'main.js');
  const object = path.join(root, 'bpf-samples', 'execsnoop.bpf.o');
  // In this process, so that a signal reaches it once and its exit status is ours.
  process.argv = [process.execPath, program, 'run', object, '--events', 'events=event', ...flags];
  createRequire(import.meta.url)('node:module').runMain(program);
});
