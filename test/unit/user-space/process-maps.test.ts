import { parseProcessMaps } from '../../../lib/user-space/index.js';

test('the memory of a process is read, whatever its files are called', () => {
  const text = [
    '55d0c8a00000-55d0c8a02000 r-xp 00001000 fe:01 1234                       /usr/bin/with space',
    '7f0000000000-7f0000001000 rw-p 00000000 00:00 0 ',
    '7f0000001000-7f0000002000 r--s 00000000 00:01 99                         /tmp/gone (deleted)',
    '7f0000002000-7f0000003000 r--p 00000000 08:02 100                        /tmp/two\\012lines',
    '7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]',
    'ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]',
    'something else',
    '',
  ].join('\n');
  const maps = parseProcessMaps(text);
  expect(maps[0]).toEqual({
    start: 0x55d0c8a00000,
    end: 0x55d0c8a02000,
    permissions: 'r-xp',
    offset: 0x1000,
    device: 'fe:01',
    inode: 1234,
    path: '/usr/bin/with space',
    deleted: false,
  });
  expect(maps.map(({ path, deleted, inode }) => [path, deleted, inode])).toEqual([
    ['/usr/bin/with space', false, 1234],
    ['', false, 0],
    ['/tmp/gone', true, 99],
    ['/tmp/two\nlines', false, 100],
    ['[stack]', false, 0],
    ['[vsyscall]', false, 0],
  ]);
});
