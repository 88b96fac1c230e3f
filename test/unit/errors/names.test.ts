import {
  KernelError,
  ObjectFormatError,
  PermissionError,
  RelocationError,
  UnsupportedError,
  UsageError,
  escapeControl,
  nearestNames,
  quote,
} from '../../../lib/errors/index.js';

describe('nearestNames', () => {
  test.each([
    ['target_iud', 'target_uid', 'swapped letters'],
    ['pdi', 'pid', 'swapped letters of a short name'],
    ['targetUid', 'target_uid', 'another style'],
    ['TARGET_UID', 'target_uid', 'another case'],
    ['target_ui', 'target_uid', 'a letter missing'],
    ['uid', 'target_uid', 'only a part of it'],
  ])('%s finds %s (%s)', (wanted, name) => {
    expect(nearestNames(wanted, ['events', name, 'filename'])).toEqual([name]);
  });

  test('the nearest come first, those as near in the order of the alphabet, and no more than the limit', () => {
    const known = ['event_c', 'event_b', 'events_of_all', 'event', 'event_a'];
    expect(nearestNames('event', known)).toEqual(['event', 'event_a', 'event_b']);
    expect(nearestNames('event', known, 5)).toEqual(['event', 'event_a', 'event_b', 'event_c', 'events_of_all']);
    expect(nearestNames('event', known.reverse(), 2)).toEqual(['event', 'event_a']);
    expect(nearestNames('', ['event', 'x'])).toEqual(['x']);
  });

  test('names of a million characters are compared at once', () => {
    const [one, other] = [`${'x'.repeat(1_000_000)}a`, `${'x'.repeat(1_000_000)}b`];
    expect(nearestNames(one, [other, one, 'x'])).toEqual([one]);
  });

  test('the best comes first, three at most, and nothing unlike', () => {
    expect(nearestNames('event', ['vent', 'events', 'eventss', 'event_', 'zebra'])).toEqual([
      'event_',
      'events',
      'vent',
    ]);
    expect(nearestNames('xyz', ['events', 'starts'])).toEqual([]);
  });
});

test('control characters, overrides of direction and lone surrogates are written as escapes', () => {
  expect(escapeControl('a\u0000\u001b[1m\u007f\u009b\u202e\u2028\u200fb')).toBe(
    'a\\x00\\x1b[1m\\x7f\\x9b\\u202e\\u2028\\u200fb',
  );
  expect(escapeControl('\ud800 naïve 😀')).toBe('\\ud800 naïve 😀');
});

test('no message has control characters, whatever it was made of; its lines and tabs stay', () => {
  const hostile = 'one\u001b[2J\ttwo\r\n    at three\u009b\u202e';
  const shown = 'one\\x1b[2J\ttwo\\x0d\n    at three\\x9b\\u202e';
  const errors = [
    new KernelError('load BTF', 'bpf(BPF_BTF_LOAD)', -22, { advice: `the kernel says: ${hostile}` }),
    UsageError.invalidValue(`maps.${hostile}`, 'it is wrong'),
    new UnsupportedError(`struct ${hostile}`, 'there is none'),
    new ObjectFormatError(hostile, { object: 'x.bpf.o' }),
    new RelocationError(hostile, { program: 'main', access: hostile }),
    new PermissionError(hostile, [], {}),
  ];
  for (const error of errors) {
    expect(error.message).toContain(shown);
    expect(error.stack).toContain(shown);
  }
});

test('a name is quoted and cut to a readable length', () => {
  expect(quote('a\nb')).toBe('"a\\x0ab"');
  expect(quote('x'.repeat(200))).toHaveLength(122);
});
