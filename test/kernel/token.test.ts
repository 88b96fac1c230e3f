// Loading without privileges, by a BPF token.
import { chmodSync, cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { BpfToken, Ebpf } from '../../lib/index.js';
import { repository, RunningCommand } from '../helpers/command.js';
import { delegated, hasDelegation } from '../helpers/delegation.js';
import { hasFreplace, hasJumps } from '../helpers/kernel-hooks.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const script = 'test/fixtures/token.mjs';
const scripts = [script, 'test/fixtures/token-limits.mjs'];
const objects = ['subprograms', 'maps', 'inner_maps', 'xdp_dispatched', 'other-compilers/jump_tables'].map(
  (name) => `bpf-samples/${name}.bpf.o`,
);

/** What the script needs, where every user can read it: the clone may be in a folder that only its owner can enter. */
function readableCopy(): string {
  const place = mkdtempSync(join(tmpdir(), 'node-ebpf-token-'));
  chmodSync(place, 0o755);
  const parts = ['package.json', 'dist', 'build/Release', 'prebuilds', ...objects, ...scripts];
  for (const part of parts) {
    if (existsSync(join(repository, part))) cpSync(join(repository, part), join(place, part), { recursive: true });
  }
  return place;
}

/** What a script of fixtures/ says that runs where a BPF file system delegates: all, or what `delegate_maps` and its like name. */
async function saidBy(fixture: string, env: Readonly<Record<string, string>> = {}): Promise<unknown> {
  return delegated(async (program, before) => {
    const place = readableCopy();
    const args = [...before, process.execPath, join(place, fixture), '/mnt', join(place, 'bpf-samples')];
    const command = new RunningCommand(program, args, { env });
    try {
      const status = await command.exit();
      expect([status, command.stderr]).toEqual([0, '']);
      return JSON.parse(command.stdout) as unknown;
    } finally {
      await command.end();
      rmSync(place, { recursive: true });
    }
  });
}

testIf(hasDelegation, 'BPF tokens')(
  'all is loaded, made, asked and run without rights, by what a BPF file system delegates',
  async () => {
    // Though the environment names a file system: that is libbpf's to read.
    expect(await saidBy(script, { LIBBPF_BPF_TOKEN_PATH: '/mnt' })).toEqual({
      outside: '65534',
      withoutToken: 'ERR_EBPF_PERMISSION',
      byPath: { returned: [0], runs: 7 },
      byToken: { returned: [0], runs: 7 },
      entries: 1,
      made: [[1, 2]],
      madeByPath: [[1, 2]],
      refused: expect.stringMatching(
        /^cannot create map "made": .*in a user namespace, .*\. A BPF token gives the right there, from Linux 6\.9 on: give \{ token \}/,
      ) as string,
      asked: [true],
      askedWithout: ['ERR_EBPF_PERMISSION'],
      dispatched: hasFreplace ? 'no error' : (expect.any(String) as string),
      jumpTables: hasJumps ? 'no error' : 'ERR_EBPF_UNSUPPORTED',
      closedToken: 'ERR_EBPF_CLOSED',
      closedFeatures: 'ERR_EBPF_CLOSED',
      inSlot: [4, 'ERR_EBPF_PERMISSION'],
      left: 0,
    });
  },
);

testIf(hasDelegation, 'BPF tokens')('what is not delegated is refused, and said', async () => {
  const delegates = {
    delegate_cmds: 'map_create:prog_load',
    delegate_maps: 'array:hash',
    delegate_progs: 'raw_tracepoint',
  };
  const place = 'the BPF file system "/mnt" does not delegate';
  expect(await saidBy('test/fixtures/token-limits.mjs', { ...delegates, delegate_attachs: '0x2' })).toEqual({
    hash: 'no error',
    queue: [`${place} maps of type queue (mount option delegate_maps)`],
    types: [`${place} the command btf_load (mount option delegate_cmds)`],
    program: [
      `${place} programs of type netfilter (mount option delegate_progs)`,
      `${place} programs of the attach type netfilter (mount option delegate_attachs)`,
    ],
    attachType: [`${place} programs of the attach type cgroup_inet_ingress (mount option delegate_attachs)`],
  });
});

test('what is no token and gives none is refused', async () => {
  await expect(Ebpf.load(sample('subprograms'), { token: 5 as never })).rejects.toThrow(
    'token: must be the path of a BPF file system or a BpfToken, not 5',
  );
  await expect(Ebpf.load(sample('subprograms'), { token: '/no/such/folder' })).rejects.toThrow(/^token: ENOENT/);
});

testIf(hasDelegation, 'BPF tokens')('where there is no token it is said why', async () => {
  await expect(BpfToken.create('/proc')).rejects.toThrow('token: "/proc" is not where a BPF file system is mounted');
});
