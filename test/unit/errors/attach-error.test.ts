import { AttachError, EbpfError, KernelError, UsageError } from '../../../lib/errors/index.js';

test('the first program that fails is named with its reason, and the error has its code and errno', () => {
  const cause = new KernelError('attach program "exec"', 'bpf(BPF_LINK_CREATE)', -16);
  const error = new AttachError({ program: 'exec', detached: [], undetached: [] }, cause);
  expect(error.message).toBe(
    'program "exec" could not be attached: cannot attach program "exec": bpf(BPF_LINK_CREATE) failed with EBUSY',
  );
  expect(error).toMatchObject({ name: 'AttachError', program: 'exec', detached: [], cause });
  expect(error).toMatchObject({
    code: 'ERR_EBPF_KERNEL',
    errno: -16,
    errnoName: 'EBUSY',
    syscall: 'bpf(BPF_LINK_CREATE)',
  });
  expect(EbpfError.is(error)).toBe(true);
});

test("a reason that is not the kernel's leaves no errno", () => {
  const cause = UsageError.notFound('function of the kernel', 'do_unlinkta', ['do_unlinkat']);
  const error = new AttachError({ program: 'unlink', detached: [], undetached: [] }, cause);
  expect(error.message).toMatch(
    /^program "unlink" could not be attached: no function .*did you mean "do_unlinkat"\?$/u,
  );
  expect([error.code, error.errno, error.errnoName, error.syscall]).toEqual([
    ...['ERR_EBPF_NOT_FOUND', undefined, undefined, undefined],
  ]);
});

test('it says which programs are detached again, and which could not be', () => {
  const cause = UsageError.closed('program "third"');
  const error = new AttachError(
    { program: 'third', detached: ['first', 'se\ncond'], undetached: [['zeroth', new Error('it is pinned')]] },
    cause,
  );
  expect(error.message.split('\n')).toEqual([
    'program "third" could not be attached: program "third" is closed',
    '    detached again: "first", "se\\x0acond"',
    '    "zeroth" could not be detached: Error: it is pinned',
  ]);
  expect(error.detached).toEqual(['first', 'se\ncond']);
});
