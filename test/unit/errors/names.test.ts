import { escapeControl, nearestNames, quote } from '../../../lib/errors/index.js';

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
  expect(escapeControl('a\u0000\u001b[1m\u007f\u009b\u202e\u2028b')).toBe('a\\x00\\x1b[1m\\x7f\\x9b\\u202e\\u2028b');
  expect(escapeControl('\ud800 naïve 😀')).toBe('\\ud800 naïve 😀');
});

test('a name is quoted and cut to a readable length', () => {
  expect(quote('a\nb')).toBe('"a\\x0ab"');
  expect(quote('x'.repeat(200))).toHaveLength(122);
});
