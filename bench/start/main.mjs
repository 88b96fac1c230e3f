// `npm run bench -- start`: from the start of a process to the first event that it has decoded: of the sample execsnoop, of
// bpftrace with the same by the kernel's types (Debian's package, fetched by name), beside what Node itself takes to start and
// end (`node -e 0`). Root. All take turns; figures are medians, by the monotonic clock from before the process is made.
// `-- --rounds 30` picks; `--json` prints a line per comparison.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { main, say } from '../../scripts/setup.mjs';
import { PrivateApt, debianRelease, hostArchitecture } from '../../test/vm/apt.mjs';
import { libraryFolders } from '../../test/vm/fetch.mjs';
import { library, median, preparedLibrary, printJson, printTable, workFolder } from '../shared.mjs';

const us = 'node-ebpf';
/** The same where `node-ebpf compile-cache` was run. */
const prepared = 'node-ebpf, compile cache';
const node = 'node -e 0';
const patienceMs = 30_000;
/** The most that ours may take of what another takes. */
const goals = { [node]: 1.5, bpftrace: 1 };

const now = () => Number(process.hrtime.bigint()) / 1e6;

/** bpftrace as { program, env }, installed or fetched into the bench's folder; undefined where it cannot be had. */
function findBpftrace() {
  const folder = path.join(workFolder('start'), 'bpftrace');
  const program = path.join(folder, 'usr/bin/bpftrace');
  try {
    if (!fs.existsSync(program)) {
      fs.mkdirSync(folder, { recursive: true });
      const release = debianRelease();
      const apt = new PrivateApt([[release, hostArchitecture()]], { knowInstalled: true });
      try {
        apt.unpackWithDependencies(['bpftrace'], folder, { release });
      } finally {
        apt.close();
      }
    }
  } catch (error) {
    say(`bench: no bpftrace: ${error.message.trim().split('\n').at(-1)}`);
    return undefined;
  }
  const libraries = libraryFolders(path.join(folder, 'usr/lib'));
  return { program, env: { ...process.env, LD_LIBRARY_PATH: libraries.join(':') } };
}

/** What the sample does: who was started by `parent`, as what, by the kernel's types. */
const bpftraceProgram = (parent) => `tracepoint:sched:sched_process_exec /curtask->real_parent->tgid == ${parent}/ {
  printf("%d %d %s %s\\n", pid, curtask->real_parent->tgid, comm, str(args->filename));
}`;

/** bpftrace finds tracepoints where debugfs is; here it may not be mounted. It waits for a line, from which the clock runs. */
const withDebugfs = 'mount -t debugfs none /sys/kernel/debug 2>/dev/null; echo ready; read go; exec "$0" "$@"';

/** Milliseconds to the end of a process. */
async function untilEnd(program, args) {
  const start = now();
  const child = spawn(program, args, { stdio: 'ignore' });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`${program} ends with ${code}`);
  return now() - start;
}

/**
 * Milliseconds to the first line that `timeOf` knows a time of; the process is ended then. With `gated`, from when the
 * process has said that it is ready and was told to go on.
 */
async function untilLine(program, args, timeOf, { env = process.env, gated = false } = {}) {
  let start = now();
  const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = once(child, 'exit');
  const patience = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  let complaint = '';
  child.stderr.on('data', (text) => {
    complaint += text;
  });
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      if (gated && line === 'ready') {
        start = now();
        child.stdin.write('go\n');
      }
      const at = timeOf(line, now());
      if (at !== undefined) return at - start;
    }
  } finally {
    clearTimeout(patience);
    child.kill('SIGTERM');
    await ended;
  }
  throw new Error(`${path.basename(program)} tells no event: ${complaint.trim().split('\n').at(-1)}`);
}

await main(undefined, async (args) => {
  const options = { rounds: { type: 'string', default: '15' }, json: { type: 'boolean', default: false } };
  const { rounds, json } = parseArgs({ args, options }).values;
  const bpftrace = findBpftrace();
  // Something to see, every few milliseconds, that takes no processor from those who look.
  const ticker = spawn('/bin/sh', ['-c', 'while :; do /bin/sleep 0.002; done'], { stdio: 'ignore' });
  const samples = { [node]: [], [us]: [], [prepared]: [] };
  const libraries = { [us]: library, [prepared]: preparedLibrary('start') };
  if (bpftrace !== undefined) samples.bpftrace = [];
  try {
    const program = path.join(import.meta.dirname, 'node-ebpf.cjs');
    for (let round = 0; round < Number(rounds); round++) {
      samples[node].push(await untilEnd(process.execPath, ['-e', '0']));
      for (const [name, index] of Object.entries(libraries)) {
        samples[name].push(
          await untilLine(process.execPath, [program, index, String(ticker.pid)], (line) => {
            const { at, ppid } = JSON.parse(line);
            if (ppid !== ticker.pid) throw new Error(`an event of another's: ${line}`);
            return at;
          }),
        );
      }
      if (bpftrace === undefined) continue;
      const theirs = ['-m', 'sh', '-c', withDebugfs, bpftrace.program, '-B', 'line', '-e', bpftraceProgram(ticker.pid)];
      const timeOf = (line, at) => (/^\d+ \d+ /u.test(line) ? at : undefined);
      samples.bpftrace.push(await untilLine('unshare', theirs, timeOf, { env: bpftrace.env, gated: true }));
    }
  } finally {
    ticker.kill('SIGKILL');
  }
  const medians = Object.fromEntries(Object.entries(samples).map(([name, times]) => [name, median(times)]));
  const own = Object.keys(libraries);
  const rows = [['process start to the first event', 'time', 'from–to', ...own.map((name) => `${name} to it`), 'goal']];
  for (const [name, times] of Object.entries(samples)) {
    const against = medians[name];
    const goal = goals[name];
    if (json && goal !== undefined) {
      for (const ours of own) {
        const title = ours === us ? 'first event' : 'first event, compile cache';
        printJson({ bench: 'start', name: title, ours: medians[ours], against, peer: name, unit: 'ms', goal });
      }
    }
    const ratios = own.map((ours) => (goal === undefined ? '' : `${(medians[ours] / against).toFixed(2)}×`));
    const spread = `[${Math.min(...times).toFixed(1)}–${Math.max(...times).toFixed(1)}]`;
    rows.push([name, `${against.toFixed(1)} ms`, spread, ...ratios, goal === undefined ? '' : `${goal}×`]);
  }
  if (!json) printTable(rows);
  return 0;
});
