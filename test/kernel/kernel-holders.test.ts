// Who holds what, on kernels that panic when some links are looked at.
import { readFileSync } from 'node:fs';

import { AttachType } from '../../lib/abi/index.js';
import { Ebpf, holders, ObjectSpec } from '../../lib/index.js';
import { createLink, openById } from '../../lib/sys/index.js';
import { hasKprobeMulti } from '../helpers/kernel-hooks.js';
import { kernelAtLeast } from '../helpers/kernel-version.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

testIf(hasKprobeMulti, 'kprobe.multi')(
  'links to many functions that others made without cookies are passed over',
  async () => {
    const spec = ObjectSpec.parse(readFileSync(sample('kprobe_multi')));
    for (const program of spec.programs.values()) program.autoload = program.name === 'nothing';
    const ebpf = await Ebpf.load(spec);
    using program = openById('program', ebpf.program('nothing').info().id);
    // As libbpf makes them; this library gives cookies always.
    const link = await createLink({
      program,
      attachType: AttachType.TRACE_KPROBE_MULTI,
      fields: { 'kprobe_multi.cnt': 1 },
      strings: { 'kprobe_multi.syms': ['security_task_setnice'] },
    });
    try {
      const { links, programs } = await holders();
      const ours = [...links.values()].flat().filter(({ pid }) => pid === process.pid);
      expect(ours).toHaveLength(kernelAtLeast(6, 17) && !kernelAtLeast(7, 3) ? 0 : 1);
      expect([...programs.values()].flat().some(({ pid }) => pid === process.pid)).toBe(true);
    } finally {
      link.close();
      await ebpf.close();
    }
  },
);
