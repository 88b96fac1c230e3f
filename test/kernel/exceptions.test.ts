// Exceptions: bpf_throw() unwinds a program, and the callback that the program names decides what it returns.
import { Ebpf } from '../../lib/index.js';
import { hasJit, kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

// Thrown exceptions are unwound by the JIT (bpf_jit_supports_exceptions of arch/*/net).
const hasExceptions = kernelHasSymbol('bpf_throw') && hasJit && (process.arch === 'x64' || process.arch === 'arm64');

testIf(hasExceptions, 'exceptions')('end a program with what its callback returns, or with the cookie', async () => {
  await using ebpf = await Ebpf.load(sample('exceptions'));
  const run = async (program: string, length: number): Promise<unknown[]> => {
    ebpf.variable('thrown').value = 0;
    const { returnValue } = await ebpf.program(program).testRun({ data: new Uint8Array(length) });
    return [returnValue, ebpf.variable('thrown').value];
  };
  expect(await run('guarded', 14)).toEqual([29, 0n]);
  expect(await run('guarded', 64)).toEqual([164, 64n]);
  expect(await run('unguarded', 14)).toEqual([29, 0n]);
  expect(await run('unguarded', 64)).toEqual([64, 0n]);
});
