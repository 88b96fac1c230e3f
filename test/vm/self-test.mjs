// The runner's own test: VMs that panic, hang, end badly or say too little have to be reported as failures. Without it a runner
// that reports nothing would look like a suite without failures.
import { runSuite } from './run-suite.mjs';

const silent = 'cat /suite.json >/dev/null\n';

/** What a VM does, and what has to be said about it; `undefined` is nothing at all. */
const cases = [
  { name: 'a VM that runs its tests is no failure', problem: undefined },
  {
    name: 'a panic is a failure',
    script: 'echo c >/proc/sysrq-trigger\nsleep 60\n',
    problem: /^the kernel panicked: .*sysrq/u,
  },
  {
    name: 'a hang is a failure when its time is over',
    script: 'while true; do sleep 1; done\n',
    timeoutMs: 30_000,
    problem: /^it did not end within 30 s and was stopped$/u,
  },
  {
    name: 'an exit status that is not zero is a failure',
    script: 'exit 3\n',
    problem: /^its test run ended with status 3$/u,
  },
  {
    name: 'an end without results is a failure',
    script: silent,
    problem: /^its test run ended before all its tests were told$/u,
  },
  {
    name: 'only the marker with the token of this run is believed',
    script: 'echo "@@0 exit 0"; echo "@@ exit 0"; poweroff -f; sleep 60\n',
    problem: /^it ended without saying how its work ended$/u,
  },
  {
    name: 'a test that fails is a failure, with its error',
    script: `echo "@@$VM_TOKEN test {\\"file\\":\\"f\\",\\"name\\":\\"n\\",\\"status\\":\\"failed\\",\\"error\\":\\"why\\"}"; exit 1\n`,
    failed: 'why',
  },
  {
    name: 'what cannot be read is a failure',
    script: `echo "@@$VM_TOKEN test {half a line"; exit 0\n`,
    failed: /^what the guest said cannot be read/u,
    problem: /told$/u,
  },
];

/** Runs the cases; gives a sentence for each one that went otherwise than it has to. */
export async function selfTest(machine, context) {
  const problems = [];
  for (const { name, script, problem, failed, timeoutMs = 90_000 } of cases) {
    const outcome = await runSuite(machine, { ...context, files: [], script, timeoutMs });
    const said = outcome.problems;
    const errors = outcome.failed.map(({ error }) => error);
    const asExpected =
      (problem === undefined ? said.length === 0 : said.some((text) => problem.test(text))) &&
      (failed === undefined ? errors.length === 0 : errors.some((text) => new RegExp(failed, 'u').test(text)));
    if (asExpected) continue;
    const heard = [...said, ...errors].join('; ') || 'nothing';
    problems.push(`${name}: heard ${heard}\n    ${outcome.console.slice(-20).join('\n    ')}`);
  }
  return { passed: cases.length - problems.length, problems };
}
