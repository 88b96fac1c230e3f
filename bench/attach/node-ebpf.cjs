// Attaches one program to many kernel functions by pattern and detaches it: <object> <program> <pattern>. As JSON, with the
// longest time for which the event loop stood still, and for which its thread computed without giving it a turn.
const { readFileSync } = require('node:fs');
const { monitorEventLoopDelay } = require('node:perf_hooks');
const { setImmediate: nextTurn, setTimeout: sleep } = require('node:timers/promises');
const { Ebpf, KprobeMulti } = require('node-ebpf');

const [object, name, functions] = process.argv.slice(2);

/** Milliseconds on a processor: what others do on it meanwhile is not this thread's. */
const computed = () => Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e6;

async function watched(work) {
  let over = false;
  const started = performance.now();
  const done = work().finally(() => (over = true));
  let longest = 0;
  for (let before = computed(); !over;) {
    await nextTurn();
    const now = computed();
    longest = Math.max(longest, now - before);
    before = now;
  }
  const result = await done;
  return { result, milliseconds: performance.now() - started, longest };
}

async function timed(work) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await sleep(20);
  delay.reset();
  const started = performance.now();
  const result = await work();
  const milliseconds = performance.now() - started;
  await sleep(5);
  delay.disable();
  return { result, milliseconds, delay: delay.max / 1e6 };
}

async function main() {
  const ebpf = await Ebpf.load(object);
  const attach = () => ebpf.program(name, KprobeMulti).attach({ functions });
  // First as a program would do it, with nothing known and nothing compiled; then beside a loop that looks on.
  const first = await timed(attach);
  const detached = await timed(() => first.result.close());
  const again = await watched(attach);
  const last = await watched(() => again.result.close());
  await ebpf.close();
  console.log(
    JSON.stringify({
      functions: first.result.functions.length,
      attach: first.milliseconds,
      detach: detached.milliseconds,
      delay: Math.max(first.delay, detached.delay),
      computed: Math.max(again.longest, last.longest),
    }),
  );
}

void main();
