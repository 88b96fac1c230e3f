// What the verifier says of programs that it takes: the load's option `verifierLog`.
import { Ebpf, UsageError, VerifierError, type LoadOptions } from '../../lib/index.js';
import { sample } from '../helpers/samples.js';

async function logs(options: LoadOptions): Promise<string[]> {
  await using ebpf = await Ebpf.load(sample('raw_tracepoint'), options);
  expect(ebpf.programs).toHaveLength(2);
  return ebpf.programs.map((program) => program.verifierLog);
}

const instruction = /^\d+: \([0-9a-f]{2}\) /m;

test('nothing by default', async () => {
  expect(await logs({})).toEqual(['', '']);
  expect(await logs({ verifierLog: 'failure' })).toEqual(['', '']);
});

test('statistics: what the verifier’s work was', async () => {
  for (const log of await logs({ verifierLog: 'statistics' })) {
    expect(log).toMatch(/^verification time \d+ usec$/m);
    expect(log).toMatch(/^stack depth (max )?\d+/m);
    expect(log).toMatch(/^processed \d+ insns \(limit 1000000\) /m);
    expect(log).not.toMatch(instruction);
  }
});

test('always: every instruction with its source line, and the statistics', async () => {
  for (const log of await logs({ verifierLog: 'always' })) {
    expect(log).toMatch(instruction);
    expect(log).toMatch(/^\d+: \(95\) exit\b/m);
    expect(log).toMatch(/^; /m);
    expect(log).toMatch(/^verification time \d+ usec$/m);
    expect(log).toMatch(/^processed \d+ insns \(limit 1000000\) /m);
  }
});

test('one program says more, or less, than the others', async () => {
  await using ebpf = await Ebpf.load(sample('raw_tracepoint'), {
    verifierLog: 'statistics',
    programs: { on_system_call: { verifierLog: 'always' } },
  });
  const [one, other] = ['on_system_call', ...ebpf.programs.map(({ name }) => name)]
    .filter((name, index, names) => names.indexOf(name) === index)
    .map((name) => ebpf.program(name).verifierLog);
  expect(one).toMatch(instruction);
  expect(other).toMatch(/^processed \d+ insns/m);
  expect(other).not.toMatch(instruction);
  expect(await logs({ verifierLog: 'always', programs: { on_system_call: { verifierLog: 'failure' } } })).toContain('');
});

test('the error of a program that is refused is the same with each', async () => {
  const messages = new Set<string>();
  for (const verifierLog of ['failure', 'statistics', 'always'] as const) {
    const error: unknown = await Ebpf.load(sample('rejected'), { verifierLog }).catch((reason: unknown) => reason);
    if (!(error instanceof VerifierError)) throw new Error(`expected a VerifierError, got ${String(error)}`);
    expect(error.log).toMatch(instruction);
    expect(error.log).toContain("R0 invalid mem access 'map_value_or_null'");
    messages.add(error.message);
  }
  expect([...messages]).toEqual([expect.stringContaining('at rejected.bpf.c:20')]);
});

test('anything else is refused before the kernel is asked', async () => {
  for (const value of ['verbose', 'toString', 2, null]) {
    const error: unknown = await Ebpf.load(sample('raw_tracepoint'), {
      verifierLog: value as LoadOptions['verifierLog'],
    }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UsageError);
    expect(error).toMatchObject({
      code: 'ERR_EBPF_INVALID_VALUE',
      message: expect.stringMatching(/^verifierLog: must be one of "failure", "statistics", "always", not /) as string,
    });
    const programs = { on_system_call: { verifierLog: value as LoadOptions['verifierLog'] } };
    await expect(Ebpf.load(sample('raw_tracepoint'), { programs })).rejects.toMatchObject({
      path: 'programs.on_system_call.verifierLog',
    });
  }
});
