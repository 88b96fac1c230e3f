// Indirect jumps: `switch` through a table that is a map.
import { Ebpf, UnsupportedError } from '../../lib/index.js';
import { hasInsnArrays, hasJumps } from '../helpers/kernel-hooks.js';
import { hasKernelBtf } from '../helpers/kernel-types.js';
import { rawArguments, sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const object = sample('other-compilers/jump_tables');

testIf(hasJumps, 'indirect jumps')('each way of a switch is taken, in every copy of it', async () => {
  await using ebpf = await Ebpf.load(object);
  const take = async (program: string, way: bigint): Promise<[number, unknown]> => {
    ebpf.variable('seen').value = 0;
    const { returnValue } = await ebpf.program(program).testRun({ context: rawArguments(way) });
    return [returnValue, ebpf.variable('seen').value];
  };
  const ways = [0n, 1n, 2n, 3n, 4n, 5n];
  const answers = async (program: string): Promise<unknown[]> => {
    const found: unknown[] = [];
    for (const way of ways) found.push(await take(program, way));
    return found;
  };
  const first = [
    [12, 1n],
    [5, 20n],
    [9, 300n],
    [101, 4000n],
    [32, 1n << 20n],
    [4, 0n],
  ];
  expect(await answers('first')).toEqual(first);
  expect(await answers('second')).toEqual([
    [5, 50_020n],
    [1009, 300n | (1n << 21n)],
    [2101, 4000n ^ (1n << 22n)],
    [32, 0n],
    [4, 7n],
    [4, 0n],
  ]);
});

testIf(hasKernelBtf && !hasInsnArrays, 'a kernel without indirect jumps')(
  'elsewhere the error says how to do without',
  async () => {
    await expect(Ebpf.load(object)).rejects.toThrow(UnsupportedError);
    await expect(Ebpf.load(object)).rejects.toMatchObject({ since: '6.19' });
    await expect(Ebpf.load(object)).rejects.toThrow('program "first" has indirect jumps; compile it with -mcpu=v3');
  },
);
