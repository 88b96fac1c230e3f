// `npm run fuzz`: mutates real objects 100,000 times and does with each all that needs no kernel; see test/helpers/fuzz. Ends with the
// seed, and on a failure with the smallest damage that brings it about. `-- --seed N` repeats a search, `--path P` a failure of it,
// `--runs N` makes it longer or shorter.
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { main, root, say } from './setup.mjs';

/** Far more than any run takes: runs are stopped by what they do, this stops what a bug does forever. */
const patienceMs = 120_000;
/** What all of a search's objects may fill at a time. */
const heapMegabytes = 512;
const runsPerReport = 1_000;

function work() {
  const require = createRequire(import.meta.url);
  require(path.join(root, 'test', 'helpers', 'typescript-hook.cjs'));
  const { search } = require(path.join(root, 'test', 'helpers', 'fuzz', 'search.ts'));
  let runs = 0;
  const onRun = () => {
    if (++runs % runsPerReport === 0) parentPort.postMessage({ runs });
  };
  parentPort.postMessage({ outcomes: search({ ...workerData, onRun }) });
}

async function fuzz(flags) {
  const { values } = parseArgs({
    args: flags,
    options: { seed: { type: 'string' }, path: { type: 'string' }, runs: { type: 'string', default: '100000' } },
  });
  const runs = Number(values.runs);
  const seed = values.seed === undefined ? Math.trunc(Math.random() * 0x7fff_ffff) : Number(values.seed);
  if (!Number.isSafeInteger(runs) || !Number.isSafeInteger(seed)) {
    say('fuzz: --seed and --runs take whole numbers');
    return 2;
  }
  say(`fuzz: ${runs} mutations, seed ${seed}`);
  const worker = new Worker(fileURLToPath(import.meta.url), {
    workerData: { runs, seed, path: values.path },
    resourceLimits: { maxOldGenerationSizeMb: heapMegabytes },
  });
  let done = 0;
  return new Promise((resolve) => {
    const hung = setTimeout(() => {
      say(`fuzz: a run after number ${done} of seed ${seed} does not end`);
      void worker.terminate();
      resolve(1);
    }, patienceMs);
    worker.on('message', ({ runs: count, outcomes }) => {
      hung.refresh();
      done = count ?? done;
      if (outcomes === undefined) return;
      clearTimeout(hung);
      const { refused, read, relocated } = outcomes;
      say(`fuzz: seed ${seed}: ${refused} refused, ${read} read but not fit for the kernel, ${relocated} fit`);
      resolve(0);
    });
    worker.on('error', (error) => {
      clearTimeout(hung);
      say(`${error.message}\nfuzz: failed; repeat with: npm run fuzz -- --seed ${seed} --runs ${runs}`);
      resolve(1);
    });
  });
}

if (isMainThread) await main(['dependencies'], fuzz);
else work();
