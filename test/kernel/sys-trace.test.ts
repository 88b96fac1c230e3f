import { join } from 'node:path';

import { runChild } from '../helpers/child.js';

const script = join(__dirname, 'children', 'sys-trace.ts');

test('NODE_DEBUG=ebpf prints each call with its result', async () => {
  const { stderr } = await runChild(script, [], { environment: { NODE_DEBUG: 'ebpf' } });
  const calls = stderr
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/^EBPF \d+: /, '').replace(/\d{4,}/, 'N'));
  expect(calls).toEqual([
    'bpf(BPF_MAP_CREATE) = N',
    'bpf(BPF_MAP_LOOKUP_ELEM) on map "traced" = 0',
    'bpf(BPF_MAP_LOOKUP_ELEM) on map "traced" = ENOENT',
    'close(map N) = 0',
  ]);
});

test('without it nothing is printed', async () => {
  expect((await runChild(script)).stderr).toBe('');
});
