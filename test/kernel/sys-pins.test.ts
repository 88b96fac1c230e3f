import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { runChild } from '../helpers/child.js';

jest.setTimeout(30_000);

test('objects are pinned, found again and told apart', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'node-ebpf-pins-'));
  try {
    const { code, stdout, stderr } = await runChild(join(__dirname, 'children', 'sys-pins.ts'), [folder], {
      // The file system is gone with the namespace, and with it every pin.
      wrapper: ['unshare', '-m', 'sh', '-c', `mount -t bpf bpf '${folder}' && exec "$@"`, 'sh'],
    });
    expect(stderr).toBe('');
    expect(stdout.trimEnd().split('\n')).toEqual([
      'map true 0 1,2,3,4',
      'program pinned',
      'link true',
      'path: "<bpffs>/map" is a pinned map, not a program',
      'path: "<bpffs>/link" is a pinned link, not a map',
      'cannot open the map pinned at "<bpffs>/none": bpf(BPF_OBJ_GET) failed with ENOENT',
      'cannot pin map "<bpffs>/map" to "<bpffs>/program": bpf(BPF_OBJ_PIN) failed with EEXIST',
      expect.stringMatching(
        /^cannot pin map "<bpffs>\/map" to "\/proc\/not-a-bpffs": bpf\(BPF_OBJ_PIN\) failed with E/,
      ),
      expect.stringContaining('has a NUL or is longer than 4095 bytes'),
    ]);
    expect(code).toBe(0);
  } finally {
    rmdirSync(folder);
  }
});
