import { ProgramType } from '../../../lib/abi/index.js';
import { exitProgram } from '../../../lib/asm/index.js';
import {
  type EbpfError,
  KernelError,
  ObjectFormatError,
  PermissionError,
  RelocationError,
  UnsupportedError,
  UsageError,
  VerifierError,
  systemCallFailure,
} from '../../../lib/errors/index.js';
import { ProgramFailures, isOfProgramAlone, isOptional } from '../../../lib/relocate/optional-programs.js';
import { functionSpec, programSpec } from './fixtures.js';

const load = 'bpf(BPF_PROG_LOAD)';
const EPERM = -1;

function kernel(errno: number): KernelError {
  return new KernelError('load program "main"', load, errno);
}

function permission(...obstacles: string[]): PermissionError {
  return new PermissionError('cannot load', obstacles, { failure: systemCallFailure(load, EPERM) });
}

test.each<[string, EbpfError]>([
  ['the kernel lacks', new UnsupportedError('kprobes', 'not in this kernel')],
  [
    'the verifier refuses',
    new VerifierError({ program: 'main', log: '', summary: 'no', failure: systemCallFailure(load, -13) }),
  ],
  ['does not fit', new RelocationError('the kernel has no such member', { program: 'main' })],
  ['is kept from this process', permission('missing CAP_PERFMON')],
  ['nobody knows why it is kept from this process', permission()],
  ['the kernel has no target for', UsageError.notFound('function', 'x', [])],
  ['the kernel says EINVAL of', kernel(-22)],
])('a program that %s can be done without', (_, error) => {
  expect(isOfProgramAlone(error)).toBe(true);
});

test.each<[string, unknown]>([
  ['ENOMEM', kernel(-12)],
  ['EMFILE', kernel(-24)],
  ['ENFILE', kernel(-23)],
  ['EAGAIN', kernel(-11)],
  ['EINTR', kernel(-4)],
  ['too little locked memory', permission('missing CAP_PERFMON', 'RLIMIT_MEMLOCK is 65536 bytes')],
  ['an option of no sense', UsageError.invalidValue('logLevel', 'must be a number')],
  ['a closed object', UsageError.closed('a.bpf.o')],
  ['a malformed object', new ObjectFormatError('no NUL', { object: 'a.bpf.o' })],
  ['what is no error of this package', new TypeError('x is not a function')],
  ['what is no error', 'ENOMEM'],
])('%s is not the fault of a program', (_, error) => {
  expect(isOfProgramAlone(error)).toBe(false);
});

const spec = functionSpec('main', exitProgram(), { section: 'raw_tp' });

test('programs of structures of operations go with their maps', () => {
  expect(isOptional(programSpec(spec))).toBe(false);
  expect(isOptional(programSpec(spec, { optional: true }))).toBe(true);
  expect(isOptional(programSpec(spec, { optional: true, type: ProgramType.STRUCT_OPS }))).toBe(false);
});

describe('ProgramFailures', () => {
  const refused = kernel(-22);
  const attempt = (optional: boolean, error: unknown): ProgramFailures => {
    const failures = new ProgramFailures();
    const made = failures.attempt(programSpec(spec, { optional }), (): number => {
      throw error;
    });
    expect(made).toBeUndefined();
    return failures;
  };

  test('gives what is made', () => {
    const failures = new ProgramFailures();
    expect(failures.attempt(programSpec(spec), () => 7)).toBe(7);
    expect(failures.errors.size).toBe(0);
  });

  test('keeps the reason why an optional program is left out', () => {
    expect([...attempt(true, refused).errors]).toEqual([['main', refused]]);
  });

  test('hides neither the reason of a program that is wanted nor what has nothing to do with it', () => {
    expect(() => attempt(false, refused)).toThrow(refused);
    const memory = kernel(-12);
    expect(() => attempt(true, memory)).toThrow(memory);
  });
});
