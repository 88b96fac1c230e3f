// Programs that a load does without where the kernel does not take them.
import { readFileSync } from 'node:fs';

import { AttachError, Ebpf, ObjectSpec, ProgramArray, type EbpfError } from '../../lib/index.js';
import { repository, RunningCommand } from '../helpers/command.js';
import { hasKernelBtf } from '../helpers/kernel-types.js';
import { sample } from '../helpers/samples.js';

const object = sample('optional');
/** What no kernel takes of it. */
const impossible = ['unchecked', 'calls_missing', 'at_missing'];

async function failure(promise: Promise<Ebpf>): Promise<EbpfError> {
  return promise.then(
    async (ebpf) => {
      await ebpf.close();
      throw new Error('it was loaded');
    },
    (error: unknown) => error as EbpfError,
  );
}

test('are left out with the reason, and the others loaded', async () => {
  const ebpf = await Ebpf.load(object, { optional: true });
  try {
    expect(new Set(ebpf.programs.map(({ name }) => name))).toEqual(new Set(['first', 'step', 'nowhere', 'fine']));
    expect(ebpf.unloaded.map(({ program, error }) => [program.name, error.code])).toEqual([
      ['unchecked', 'ERR_EBPF_VERIFIER'],
      ['calls_missing', hasKernelBtf ? 'ERR_EBPF_RELOCATION' : 'ERR_EBPF_UNSUPPORTED'],
      ['at_missing', hasKernelBtf ? 'ERR_EBPF_NOT_FOUND' : 'ERR_EBPF_UNSUPPORTED'],
    ]);
    const [unchecked, , atMissing] = ebpf.unloaded;
    expect(unchecked?.error.message).toMatch(/invalid mem access[^]*at optional\.bpf\.c:\d+: \*count \+= 1/);
    expect(atMissing?.error.message).toContain(
      hasKernelBtf ? 'no BTF tracepoint of this kernel' : 'program "at_missing": BTF tracepoint',
    );
    expect(() => ebpf.program('unchecked')).toThrow(
      expect.objectContaining({ code: 'ERR_EBPF_NOT_FOUND', cause: unchecked?.error }) as Error,
    );
    expect(() => ebpf.program('unchecked')).toThrow(
      /^program "unchecked" of "optional\.bpf\.o" was left out: the kernel's/,
    );
    // The others are as ever; the maps are all there.
    expect(() => ebpf.program('uncheckd')).toThrow(/^no program of/);
    expect(ebpf.maps.map(({ name }) => name)).toEqual(['steps', 'counts', '.bss']);
  } finally {
    await ebpf.close();
  }
});

test('leave their slots of program arrays empty', async () => {
  const ebpf = await Ebpf.load(object, { optional: impossible });
  try {
    const steps = ebpf.map('steps', ProgramArray);
    expect([steps.has(0), steps.has(1)]).toEqual([true, false]);
    const run = async (): Promise<number> => {
      const { returnValue } = await ebpf.program('first').testRun({ data: new Uint8Array(64) });
      return returnValue;
    };
    expect(await run()).toBe(7);
    ebpf.variables['slot'] = 1;
    expect(await run()).toBe(99);
  } finally {
    await ebpf.close();
  }
});

test('are those that are named: another one fails the load', async () => {
  const error = await failure(Ebpf.load(object, { optional: ['calls_missing', 'at_missing'] }));
  expect(error).toMatchObject({ name: 'VerifierError', program: 'unchecked' });
  const named = await failure(Ebpf.load(object, { optional: ['unchecked', 'calls_missing'] }));
  expect(named.message).toContain(
    hasKernelBtf ? 'no BTF tracepoint of this kernel' : 'BTF tracepoint "no_such_tracepoint"',
  );
});

test('are what the specification says, which the option overrides', async () => {
  const spec = ObjectSpec.parse(readFileSync(object), { name: 'optional.bpf.o' });
  for (const name of impossible) spec.program(name).optional = true;
  const ebpf = await Ebpf.load(spec);
  expect(ebpf.unloaded.map(({ program }) => program.name)).toEqual(impossible);
  await ebpf.close();
  await expect(Ebpf.load(spec, { optional: false })).rejects.toBeDefined();
});

test.each([
  [{ optional: ['frist'] }, 'no program of optional.bpf.o is named "frist"; did you mean "first"'],
  [{ optional: 'first' as unknown as string[] }, 'optional: must be true, or names of programs'],
  [{ optional: [1] as unknown as string[] }, 'optional: must be true, or names of programs'],
])('%j is refused', async (options, message) => {
  expect((await failure(Ebpf.load(object, options))).message).toContain(message);
});

test('are not those that are not loaded, nor those of structures of operations', async () => {
  const spec = ObjectSpec.parse(readFileSync(object), { name: 'optional.bpf.o' });
  spec.program('fine').autoload = false;
  expect((await failure(Ebpf.load(spec, { optional: ['fine'] }))).message).toBe(
    'optional: program "fine" is not loaded at all, as its section "raw_tp/sched_process_exec" or specification says; ' +
      'set autoload = true',
  );
  const operations = ObjectSpec.parse(readFileSync(sample('struct_ops')), { name: 'struct_ops.bpf.o' });
  const [name = ''] = operations.programs.keys();
  expect((await failure(Ebpf.load(operations, { optional: [name] }))).message).toBe(
    `optional: program "${name}" goes with its map; set autoCreate = false of that to leave both out`,
  );
});

describe('what is wrong with more than a program fails the load all the same', () => {
  test('options and sections', async () => {
    const variables = { slots: 1 };
    expect(await failure(Ebpf.load(object, { optional: true, variables }))).toMatchObject({
      code: 'ERR_EBPF_NOT_FOUND',
    });
    expect(await failure(Ebpf.load(sample('wrong_section'), { optional: true }))).toMatchObject({ name: 'UsageError' });
    const spec = ObjectSpec.parse(readFileSync(sample('replacements')), { name: 'replacements.bpf.o' });
    for (const program of spec.programs.values()) program.autoload = program.section === '?freplace/slot';
    expect((await failure(Ebpf.load(spec, { optional: true }))).message).toContain('which is to be given');
  });

  test('rights that the process lacks', async () => {
    const onlyBpf = ['--bounding-set=-all,+bpf', '--inh-caps=-all', '--ambient-caps=-all'];
    const script = `${repository}/test/fixtures/print-load.mjs`;
    const child = new RunningCommand('setpriv', [
      ...onlyBpf,
      process.execPath,
      script,
      sample('raw_tracepoint'),
      'optional',
    ]);
    try {
      await child.exit();
      expect(JSON.parse(child.stdout)).toMatchObject({ name: 'PermissionError', obstacles: ['missing CAP_PERFMON'] });
    } finally {
      await child.end();
    }
  });

  test('an abort', async () => {
    const controller = new AbortController();
    const load = Ebpf.load(object, { optional: true, signal: controller.signal });
    controller.abort('enough');
    await expect(load).rejects.toBe('enough');
  });
});

describe('attach()', () => {
  const targets = ({ links }: { links: readonly { program: string }[] }): string[] =>
    links.map(({ program }) => program);

  test('names the program that failed, and what is detached again', async () => {
    const spec = ObjectSpec.parse(readFileSync(object), { name: 'optional.bpf.o' });
    for (const name of impossible) spec.program(name).autoload = false;
    // In the object's order, one program is attached before it and one would be after it.
    const order = ['first', 'step', 'fine', 'nowhere'].map((name) => [name, spec.program(name)] as const);
    spec.programs.clear();
    for (const [name, program] of order) spec.programs.set(name, program);
    const ebpf = await Ebpf.load(spec);
    try {
      const error = await ebpf.attach().catch((reason: unknown) => reason as AttachError);
      expect(error).toBeInstanceOf(AttachError);
      expect(error).toMatchObject({ code: 'ERR_EBPF_NOT_FOUND', program: 'nowhere', detached: ['fine'] });
      expect((error as AttachError).message).toMatch(
        /^program "nowhere" could not be attached: no raw tracepoint is named "no_such_tracepoint"[^]*\n {4}detached again: "fine"$/,
      );
      expect((error as AttachError).cause).toMatchObject({ name: 'UsageError', code: 'ERR_EBPF_NOT_FOUND' });
      expect(ebpf.links).toEqual([]);
      expect(ebpf.program('fine').links).toEqual([]);
    } finally {
      await ebpf.close();
    }
  });

  test('leaves optional programs that cannot be attached, with the reason', async () => {
    const ebpf = await Ebpf.load(object, { optional: true });
    try {
      const attachment = await ebpf.attach();
      expect(targets(attachment)).toEqual(['fine']);
      const left = attachment.unattached.find(({ program }) => program.name === 'nowhere');
      expect(left?.reason).toMatch(/^no raw tracepoint is named "no_such_tracepoint"/);
      expect(left?.error).toMatchObject({ name: 'UsageError', code: 'ERR_EBPF_NOT_FOUND' });
      expect(attachment.unattached.find(({ program }) => program.name === 'first')?.error).toBeUndefined();
    } finally {
      await ebpf.close();
    }
  });

  test('does not leave them when it was aborted', async () => {
    const ebpf = await Ebpf.load(object, { optional: true });
    try {
      await expect(ebpf.attach({ signal: AbortSignal.abort('enough') })).rejects.toBe('enough');
      expect(ebpf.links).toEqual([]);
    } finally {
      await ebpf.close();
    }
  });
});
