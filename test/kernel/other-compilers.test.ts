// Objects of GCC and rustc, loaded and run.
import { existsSync } from 'node:fs';

import { Ebpf, HashMap } from '../../lib/index.js';
import { rawArguments, sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const kernelTypes = '/sys/kernel/btf/vmlinux';

async function countThrice(ebpf: Ebpf): Promise<unknown[]> {
  const results: unknown[] = [];
  for (const key of [5n, 5n, 6n]) {
    results.push((await ebpf.program('count').testRun({ context: rawArguments(key) })).returnValue);
  }
  return [...results, new Map(ebpf.map('counts', HashMap)), ebpf.variable('runs').value];
}

const entries: [bigint, unknown][] = [
  [5n, { times: 2n, last: 101 }],
  [6n, { times: 1n, last: 100 }],
];
const counted = [1, 2, 1, new Map(entries), 3n];

testIf(existsSync(kernelTypes), 'kernel BTF')('an object of GCC 16, with CO-RE', async () => {
  await using ebpf = await Ebpf.load(sample('other-compilers/gcc'));
  expect(await countThrice(ebpf)).toEqual(counted);
  expect(ebpf.variable('pid_offset').value).toBeGreaterThan(0);
});

test('an object of GCC 12, whose types the kernel refuses, goes without them', async () => {
  const warnings: string[] = [];
  const { emitWarning } = process;
  process.emitWarning = (...args: unknown[]): void => void warnings.push(String(args[0]));
  try {
    await using ebpf = await Ebpf.load(sample('other-compilers/gcc12'));
    expect(await countThrice(ebpf)).toEqual(counted);
  } finally {
    process.emitWarning = emitWarning;
  }
  expect(warnings).toEqual([
    expect.stringMatching(/gcc12\.bpf\.o" is loaded without its types, which the kernel refuses/),
  ]);
});

test('an object of rustc', async () => {
  await using ebpf = await Ebpf.load(sample('other-compilers/rust'));
  const run = async (value: bigint): Promise<number> =>
    (await ebpf.program('count').testRun({ context: rawArguments(value) })).returnValue;
  expect([await run(5n), await run(7n)]).toEqual([11, 16]);
  expect(ebpf.variable('RUNS').value).toBe(2n);
});
