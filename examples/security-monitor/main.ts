// Tells what happens on this machine that rules are about, a line of JSON for each, and forbids what they forbid.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { EbpfError } from 'node-ebpf';

import { Monitor } from './monitor.js';
import { parseRules, RuleError } from './rules.js';

const usage = `security-monitor RULES.yaml [--all]

  --all   tells of everything that is seen, not only of what rules are about`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { all: { type: 'boolean', default: false } },
});
const [file, ...more] = positionals;

if (file === undefined || more.length > 0) {
  console.error(usage);
  process.exitCode = 2;
} else {
  try {
    await watch(file);
  } catch (error) {
    // What the user can do something about is told in a sentence.
    if (!EbpfError.is(error) && !(error instanceof RuleError) && !(error instanceof Error && 'syscall' in error))
      throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}

async function watch(path: string): Promise<void> {
  const monitor = await Monitor.start(
    new URL('security_monitor.bpf.o', import.meta.url),
    parseRules(readFileSync(path, 'utf8')),
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void monitor.close());
  try {
    for (const reason of monitor.missing) console.error(`not on this kernel: ${reason}`);
    console.error('watching');
    for await (const report of monitor.reports()) {
      if (values.all || report.action !== 'report') console.log(JSON.stringify(report));
    }
    if (monitor.dropped > 0n) console.error(`${monitor.dropped} events were lost`);
  } finally {
    await monitor.close();
  }
}
