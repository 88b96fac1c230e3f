// Loading without privileges, by a BPF token.
import { chmodSync, cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { BpfToken, Ebpf } from '../../lib/index.js';
import { repository, RunningCommand } from '../helpers/command.js';
import { delegated, hasDelegation } from '../helpers/delegation.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const script = 'test/fixtures/token.mjs';
const objects = ['subprograms', 'maps'].map((name) => `bpf-samples/${name}.bpf.o`);

/** What the script needs, where every user can read it: the clone may be in a folder that only its owner can enter. */
function readableCopy(): string {
  const place = mkdtempSync(join(tmpdir(), 'node-ebpf-token-'));
  chmodSync(place, 0o755);
  const parts = ['package.json', 'dist', 'build/Release', 'prebuilds', ...objects, script];
  for (const part of parts) {
    if (existsSync(join(repository, part))) cpSync(join(repository, part), join(place, part), { recursive: true });
  }
  return place;
}

testIf(hasDelegation, 'BPF tokens')(
  'a program is loaded and run without rights, by what a BPF file system delegates',
  async () => {
    const [program = '', ...before] = delegated();
    const place = readableCopy();
    const args = [...before, process.execPath, join(place, script), '/mnt', join(place, 'bpf-samples')];
    const command = new RunningCommand(program, args, { env: { LIBBPF_BPF_TOKEN_PATH: '/mnt' } });
    try {
      const status = await command.exit();
      expect([status, command.stderr]).toEqual([0, '']);
      expect(JSON.parse(command.stdout)).toEqual({
        outside: '65534',
        // Though the environment names a file system: that is libbpf's to read.
        withoutToken: 'ERR_EBPF_PERMISSION',
        byPath: { returned: [0], runs: 7 },
        byToken: { returned: [0], runs: 7 },
        entries: 1,
        closedToken: 'ERR_EBPF_CLOSED',
        left: 0,
      });
    } finally {
      await command.end();
      rmSync(place, { recursive: true });
      if (program.includes('node-ebpf-delegate-')) rmSync(dirname(program), { recursive: true });
    }
  },
);

test('what is no token and gives none is refused', async () => {
  await expect(Ebpf.load(sample('subprograms'), { token: 5 as never })).rejects.toThrow(
    'token: must be the path of a BPF file system or a BpfToken, not 5',
  );
  await expect(Ebpf.load(sample('subprograms'), { token: '/no/such/folder' })).rejects.toThrow(/^token: ENOENT/);
});

testIf(hasDelegation, 'BPF tokens')('where there is no token it is said why', async () => {
  await expect(BpfToken.create('/proc')).rejects.toThrow('token: "/proc" is not where a BPF file system is mounted');
});
