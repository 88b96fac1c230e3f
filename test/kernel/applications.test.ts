// However an application of examples/ ends, the kernel holds nothing of it. What program-daemon pins on purpose outlives it:
// program-daemon.test.ts.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Tc, Xdp } from '../../lib/index.js';
import { heldIds, runExample } from '../helpers/command.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { objectsAlive } from '../helpers/objects-named.js';
import { testIf } from '../helpers/skip.js';
import { hasTestNetworks } from '../helpers/test-network.js';
import { TestMachine } from '../helpers/test-route.js';
import { until } from '../helpers/until.js';

const endings = ['SIGINT', 'SIGTERM', 'SIGKILL'] as const;
const hasTcx = kernelHasSymbol('tcx_prog_attach');
const patienceMs = 300_000;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-ebpf-applications-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Runs an application until it says that it is at work, ends it, and gives what it had. */
async function heldBy(run: ReturnType<typeof runExample>, shows: RegExp, signal: NodeJS.Signals): Promise<Set<string>> {
  try {
    await run.shows(shows);
    const held = heldIds(run.pid);
    expect(objectsAlive(held).length).toBeGreaterThan(0);
    run.signal(signal);
    expect(await run.exit()).toBe(signal === 'SIGKILL' ? signal : 0);
    return held;
  } finally {
    await run.end();
  }
}

test.each(endings)(
  'of security-monitor nothing is left after %s',
  async (signal) => {
    const rules = join(folder, 'rules.yaml');
    writeFileSync(rules, 'rules:\n  - {name: shells, on: exec, paths: [/nowhere]}\n');
    const held = await heldBy(runExample('security-monitor', rules), /^watching$/m, signal);
    await until(() => objectsAlive(held).length === 0);
  },
  patienceMs,
);

test.each(endings)(
  'of profiler nothing is left after %s',
  async (signal) => {
    const held = await heldBy(runExample('profiler', '--pid', String(process.pid)), /^sampling/m, signal);
    await until(() => objectsAlive(held).length === 0);
  },
  patienceMs,
);

testIf(hasTestNetworks, 'network interfaces of its own')(
  'of packet-filter nothing is left, nor on its interface',
  async () => {
    const rules = join(folder, 'rules.conf');
    writeFileSync(rules, 'deny in 192.0.2.0/24\nlimit 10/s in 198.51.100.0/24\n');
    const machine = await TestMachine.create();
    try {
      machine.run('ip link add left type veth peer name right');
      const place = { interface: 'left', netns: machine.netns };
      const attached = async (): Promise<number[]> => {
        const { programs, filters } = await Tc.query({ ...place, direction: 'egress' });
        return [(await Xdp.query(place)).length, programs.length, filters.length];
      };
      const start = (): ReturnType<typeof runExample> =>
        runExample('packet-filter', '--interface', 'left', '--netns', machine.netns, rules);
      for (const signal of endings) {
        const held = await heldBy(start(), /^filtering left$/m, signal);
        if (signal === 'SIGKILL' && !hasTcx) {
          // A filter of clsact, which no process holds. The next to filter this interface takes it off.
          expect(await attached()).toEqual([0, 0, 1]);
          await heldBy(start(), /^filtering left$/m, 'SIGINT');
        }
        await until(() => objectsAlive(held).length === 0);
        expect(await attached()).toEqual([0, 0, 0]);
      }
    } finally {
      await machine.close();
    }
  },
  patienceMs,
);
