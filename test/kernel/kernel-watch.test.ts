// What tests leave in the kernel is found: without this test a watch that sees nothing would look like tests that leave nothing.
import { join } from 'node:path';

import { runChild } from '../helpers/child.js';
import { hasClsact } from '../helpers/clsact.js';
import { emulated } from '../helpers/emulation.js';
import type { Leftover } from '../helpers/kernel-watch.js';
import { testIf } from '../helpers/skip.js';
import { hasTestNetworks } from '../helpers/test-network.js';

interface Report {
  readonly found: Readonly<Record<string, readonly string[]>>;
  readonly still: readonly Leftover[];
}

testIf(hasTestNetworks, 'network interfaces of its own')(
  'what is left in the kernel is found, with the file that left it, until it is taken back',
  async () => {
    const { stdout, stderr } = await runChild(join(__dirname, 'children', 'leaves.ts'), [], {
      wrapper: ['unshare', '-n', '-m', 'sh', '-c', 'mount -t bpf bpf /mnt && exec "$@"', 'sh'],
      timeoutMs: emulated ? 80_000 : 30_000,
    });
    expect(stderr).toBe('');
    const { found, still } = JSON.parse(stdout) as Report;
    const matching = (pattern: RegExp): unknown => expect.stringMatching(pattern);
    const having = (...patterns: RegExp[]): unknown => expect.arrayContaining(patterns.map(matching));
    expect(found).toMatchObject({
      pins: having(
        /^program \d+ "\w+" \([A-Z_]+\)$/u,
        /^map \d+ "\w+" \(type \d+\)$/u,
        /^btf \d+$/u,
        /^pin \/mnt\/left-program$/u,
      ),
      cgroups: [matching(/^cgroup \/.*\/node-ebpf-left-\d+$/u)],
      processes: [matching(/^process \d+ \((?:sleep|busybox)\)$/u), matching(/^process \d+ \((?:sleep|busybox)\)$/u)],
      mounts: [matching(/^file system tmpfs mounted at \/.*node-ebpf-left-\w+$/u)],
      network: having(
        /^network interface left$/u,
        ...(hasClsact ? [/^queueing discipline clsact of network interface \d+$/u] : []),
      ),
    });
    if ('tracefs' in found) expect(found['tracefs']).toEqual([matching(/^tracefs event p:node_ebpf\/left \/.*:0x/u)]);
    expect(still).toEqual([]);
  },
);
