// Programs of infrared receivers, which no kernel of the matrix was built with: what is said there.
import { closeSync, openSync, readFileSync } from 'node:fs';

import { Ebpf, LircMode2, ObjectSpec, ProgramSpec, type LircAttachOptions } from '../../lib/index.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const withoutLirc = testIf(!kernelHasSymbol('lirc_prog_attach'), 'a kernel without programs of infrared receivers');
const unsupported = {
  name: 'UnsupportedError',
  message: 'programs of infrared receivers: this kernel was built without them (CONFIG_BPF_LIRC_MODE2)',
};

/** A program that is a LircMode2 here and a filter of sockets to the kernel, which so takes it, and then refuses to attach it. */
async function load(): Promise<Ebpf> {
  const spec = ObjectSpec.parse(readFileSync(sample('socket_filter')));
  const filter = spec.program('keep_none');
  for (const program of spec.programs.values()) program.autoload = program === filter;
  const { name, section, type, attachType } = filter;
  spec.programs.set(
    name,
    new ProgramSpec({ name, section, type, attachType, kind: 'lirc_mode2', function: filter.function }),
  );
  return Ebpf.load(spec);
}

withoutLirc('are not loaded by a kernel that has none', async () => {
  await expect(Ebpf.load(sample('lirc_mode2'))).rejects.toMatchObject(unsupported);
});

withoutLirc('are not asked for where there are none', async () => {
  await expect(LircMode2.query({ device: '/dev/null' })).rejects.toMatchObject(unsupported);
});

withoutLirc('are not attached where there are none', async () => {
  await using ebpf = await load();
  const program = ebpf.program('keep_none', LircMode2);
  await expect(program.attach({ device: '/dev/null' })).rejects.toMatchObject(unsupported);
  const device = openSync('/dev/null', 'r+');
  try {
    await expect(program.attach({ device })).rejects.toMatchObject(unsupported);
  } finally {
    closeSync(device);
  }
  expect(ebpf.links).toEqual([]);
});

test('want to know which receiver', async () => {
  await using ebpf = await load();
  const program = ebpf.program('keep_none', LircMode2);
  const device = { path: 'device' };
  await expect(program.attach()).rejects.toMatchObject(device);
  await expect(program.attach({ device: true } as unknown as LircAttachOptions)).rejects.toMatchObject(device);
  await expect(program.attach({ device: '/dev/lirc999' })).rejects.toMatchObject({
    path: 'device',
    message: expect.stringMatching(/^device: "\/dev\/lirc999" cannot be opened: ENOENT/u) as string,
  });
  await expect(LircMode2.query({ device: '/dev/lirc999' })).rejects.toMatchObject(device);
  const { unattached } = await ebpf.attach();
  expect(unattached.map(({ reason }) => reason)).toEqual([
    "its section names no receiver; give attach({ device: '/dev/lirc0' })",
  ]);
});
