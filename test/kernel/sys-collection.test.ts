import { join } from 'node:path';

import { runChild } from '../helpers/child.js';

jest.setTimeout(30_000);

test('garbage collection closes maps and programs with one warning; links, perf events and rings work on', async () => {
  const { code, stdout } = await runChild(join(__dirname, 'children', 'sys-collection.ts'), [], {
    nodeFlags: ['--expose-gc', '--no-warnings'],
  });
  const lines = stdout.trimEnd().split('\n');
  expect(code).toBe(0);
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(
    /^EbpfLeakWarning EBPF_LEAK: a (map|program) \("\w+"\) was garbage collected without close\(\)/,
  );
  expect(JSON.parse(lines[1] ?? '')).toEqual({ maps: 1, programs: 1, links: 1, events: 1, calls: 1 });
});
