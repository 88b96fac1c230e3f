// Strings that programs copy with helpers of the kernel, and what JavaScript makes of them.
import { readFileSync } from 'node:fs';

import { Ebpf, ObjectSpec } from '../../lib/index.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { hasKernelBtf } from '../helpers/kernel-types.js';
import { rawArguments, sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const ROOM = 16;
const EFAULT = -14n;
const filler = '#'.repeat(ROOM - 1);

const rule = testIf(hasKernelBtf, 'kernel BTF');
const canCompare = hasKernelBtf && kernelHasSymbol('bpf_strncmp');

let ebpf: Ebpf;

beforeAll(async () => {
  if (!hasKernelBtf) return;
  const spec = ObjectSpec.parse(readFileSync(sample('strings')), { name: 'strings.bpf.o' });
  spec.program('compare').autoload = canCompare;
  ebpf = await Ebpf.load(spec);
});
afterAll(async () => {
  if (hasKernelBtf) await ebpf.close();
});

/** What the helper returned, and what is in the place that it wrote to. */
async function run(program: string, room: number, offset = 0): Promise<[result: unknown, copied: unknown]> {
  ebpf.variables['copied'] = filler;
  await ebpf.program(program).testRun({ context: rawArguments(room, offset) });
  return [ebpf.variables['result'], ebpf.variables['copied']];
}

rule('of the kernel are copied whole, cut to the room, empty, and not at all', async () => {
  ebpf.variables['text'] = 'hello';
  expect(await run('copy_kernel', ROOM)).toEqual([6n, 'hello']);
  expect(await run('copy_kernel', 4)).toEqual([4n, 'hel']);
  expect(await run('copy_kernel', ROOM, 5)).toEqual([1n, '']);
  expect(await run('copy_kernel', 0)).toEqual([0n, filler]);
  ebpf.variables['text'] = 'a text of more than sixteen bytes';
  expect(await run('copy_kernel', ROOM)).toEqual([16n, 'a text of more ']);
});

rule("of the user's memory are copied whole, cut to the room, empty, and not at all", async () => {
  const all = readFileSync('/proc/self/cmdline', 'latin1');
  const end = all.indexOf('\0');
  expect(end).toBeGreaterThan(3);
  const last = all.slice(end - 4, end);
  expect(await run('copy_user', ROOM, end - 4)).toEqual([5n, last]);
  expect(await run('copy_user', 3, end - 4)).toEqual([3n, last.slice(0, 2)]);
  // Linux 5.10 does not count the end of a string that is empty.
  const [result, copied] = await run('copy_user', ROOM, end);
  expect([0n, 1n]).toContain(result);
  expect(copied).toBe('');
  expect(await run('copy_user', 0)).toEqual([0n, filler]);
});

rule('that are not there fail, and leave nothing', async () => {
  expect(await run('copy_nothing', ROOM, 0)).toEqual([EFAULT, '']);
  expect(await run('copy_nothing', ROOM, 1)).toEqual([EFAULT, '']);
});

rule('are moved by a function that a compiler brought along', async () => {
  ebpf.variables['text'] = 'moved';
  expect((await run('move', 6))[1]).toBe('moved');
});

testIf(canCompare, 'kernel 5.17')('are compared', async () => {
  const compared = async (copied: string): Promise<number> => {
    ebpf.variables['copied'] = copied;
    await ebpf.program('compare').testRun({ context: rawArguments(0, 0) });
    return Math.sign(Number(ebpf.variables['result']));
  };
  expect([await compared('kernel'), await compared('kerndl'), await compared('kernels')]).toEqual([0, -1, 1]);
});
