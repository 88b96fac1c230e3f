import { createContext, runInContext } from 'node:vm';

import {
  EbpfError,
  KernelError,
  ObjectFormatError,
  PermissionError,
  RelocationError,
  UnsupportedError,
  UsageError,
  VerifierError,
  errnoName,
  systemCallFailure,
} from '../../../lib/errors/index.js';

describe('EbpfError', () => {
  test('is recognised by its brand, not by its class, so that copies of the package agree', () => {
    const error = UsageError.closed('map "events"');
    expect(EbpfError.is(error)).toBe(true);
    const context = createContext({});
    const brand = 'Object.defineProperty(new Error("x"), Symbol.for("node-ebpf.EbpfError"), { value: true })';
    expect(EbpfError.is(runInContext(brand, context))).toBe(true);
    expect(EbpfError.is(runInContext('new Error("x")', context))).toBe(false);
    for (const other of [undefined, null, 'error', 3, {}, new Error('x')]) expect(EbpfError.is(other)).toBe(false);
  });

  test('is named after its class and keeps the cause', () => {
    const cause = new Error('first');
    const error = new RelocationError('gone', { program: 'exec' }, { cause });
    expect(error).toBeInstanceOf(EbpfError);
    expect(error.name).toBe('RelocationError');
    expect(error.cause).toBe(cause);
    expect('cause' in new RelocationError('gone', { program: 'exec' })).toBe(false);
  });
});

test('an unknown name comes with the nearest ones', () => {
  const error = UsageError.notFound('variable of a.bpf.o', 'traget_uid', ['target_uid', 'filename', 'comm']);
  expect(error.message).toBe('no variable of a.bpf.o is named "traget_uid"; did you mean "target_uid"?');
  expect(error.code).toBe('ERR_EBPF_NOT_FOUND');
  expect(error.suggestions).toEqual(['target_uid']);
});

test('an unknown name unlike any other comes with all of them, as far as they can be read', () => {
  expect(UsageError.notFound('map', 'zzz', ['events', 'starts']).message).toBe(
    'no map is named "zzz"; there are "events", "starts"',
  );
  expect(UsageError.notFound('map', 'zzz', []).message).toBe('no map is named "zzz"; there are none');
  const functions = Array.from({ length: 101 }, (_, index) => `kernel_function_${index}`);
  expect(UsageError.notFound('function', 'zzz', functions).message).toBe('no function is named "zzz"');
  const many = Array.from({ length: 20 }, (_, index) => `map_number_${index}`);
  expect(UsageError.notFound('map', 'zzz', many).message).toMatch(/"map_number_7" and 12 more$/);
});

test('advice is for names that are like no other', () => {
  const advice = 'load the module first';
  expect(UsageError.notFound('function', 'zzz', ['do_exit'], advice).message).toBe(
    'no function is named "zzz"; there are "do_exit"; load the module first',
  );
  expect(UsageError.notFound('function', 'do_exti', ['do_exit'], advice).message).toBe(
    'no function is named "do_exti"; did you mean "do_exit"?',
  );
});

test('what is in use says what to do', () => {
  const error = UsageError.busy('map "events"', 'close its reader first');
  expect([error.code, error.message]).toEqual(['ERR_EBPF_BUSY', 'map "events" is busy: close its reader first']);
});

test('an invalid value names where it stands', () => {
  const error = UsageError.invalidValue('variables.uid', 'must be a number');
  expect(error.message).toBe('variables.uid: must be a number');
  expect(error.path).toBe('variables.uid');
});

test('a malformed object is located by file, section and offset', () => {
  const error = new ObjectFormatError('no NUL', { object: 'a\u001b[31m.o', section: '.BTF', offset: 24 });
  expect(error.message).toBe('a\\x1b[31m.o, section .BTF, offset 24: no NUL');
  expect([error.section, error.offset]).toEqual(['.BTF', 24]);
});

test('a relocation error names program, instruction, access and line', () => {
  const site = { program: 'exec', instruction: 3, access: 'task_struct.gone', line: 'a.bpf.c:7: x = task->gone;' };
  expect(new RelocationError('gone', { program: 'a\u001b[2J\n' }).message).toBe('program a\\x1b[2J\\x0a: gone');
  expect(new RelocationError('the kernel has no such member', site).message).toBe(
    'program exec, instruction 3: task_struct.gone: the kernel has no such member\n    at a.bpf.c:7: x = task->gone;',
  );
});

test('a verifier error carries the whole log beside the short form', () => {
  const failure = systemCallFailure('bpf(BPF_PROG_LOAD)', -13);
  const error = new VerifierError({
    program: 'exec',
    log: 'long',
    summary: 'R0 !read_ok',
    line: 'a.c:1: f()',
    failure,
  });
  expect(error.message).toBe("the kernel's verifier refused program exec (EACCES): R0 !read_ok\n    at a.c:1: f()");
  expect([error.log, error.errno, error.syscall]).toEqual(['long', -13, 'bpf(BPF_PROG_LOAD)']);
  const cause = new Error('first');
  const short = new VerifierError({ program: 'exec', log: '', summary: 'no', failure, cause });
  expect([short.message, short.line, short.cause]).toEqual([
    "the kernel's verifier refused program exec (EACCES): no",
    undefined,
    cause,
  ]);
  expect('cause' in error).toBe(false);
});

test('what the kernel said is kept by errors that explain it', () => {
  const failure = systemCallFailure('bpf(BPF_MAP_CREATE)', -1);
  const error = new PermissionError('cannot', ['missing CAP_BPF'], { failure });
  expect([error.code, error.errnoName, error.obstacles]).toEqual(['ERR_EBPF_PERMISSION', 'EPERM', ['missing CAP_BPF']]);
  const unsupported = new UnsupportedError('arena maps', 'not in this kernel', { since: '6.9', failure });
  expect([unsupported.since, unsupported.errno]).toEqual(['6.9', -1]);
});

test('any other errno is a KernelError that says what was tried', () => {
  const error = new KernelError('create map "m"', 'bpf(BPF_MAP_CREATE)', -7, { advice: 'make it smaller' });
  expect(error.message).toBe('cannot create map "m": bpf(BPF_MAP_CREATE) failed with E2BIG; make it smaller');
  const cause = new Error('first');
  const plain = new KernelError('create map "m"', 'bpf(BPF_MAP_CREATE)', -7, { cause });
  expect([plain.message, plain.cause]).toEqual(['cannot create map "m": bpf(BPF_MAP_CREATE) failed with E2BIG', cause]);
  expect('cause' in error).toBe(false);
  expect(new KernelError('read map "m"', 'bpf(BPF_MAP_LOOKUP_ELEM)', -9)).toMatchObject({
    message: 'cannot read map "m": bpf(BPF_MAP_LOOKUP_ELEM) failed with EBADF',
    ...{ code: 'ERR_EBPF_KERNEL', errno: -9, errnoName: 'EBADF', syscall: 'bpf(BPF_MAP_LOOKUP_ELEM)' },
  });
});

test('errnos have names, those that only the kernel knows too', () => {
  expect(errnoName(-1)).toBe('EPERM');
  expect(errnoName(-524)).toBe('ENOTSUPP');
  expect(errnoName(-99_999)).toBe('errno 99999');
});
