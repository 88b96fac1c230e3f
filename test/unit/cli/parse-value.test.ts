import { CommandLineError } from '../../../lib/cli/command-error.js';
import { parseInteger, parseValue } from '../../../lib/cli/parse-value.js';

function refusal(name: string, text: string, current: unknown): string {
  try {
    parseValue(name, text, current);
  } catch (error) {
    if (error instanceof CommandLineError) return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('parseInteger', () => {
  test.each([
    ['0', 0n],
    ['1000', 1000n],
    ['-1', -1n],
    ['+7', 7n],
    ['007', 7n],
    ['0x3e8', 1000n],
    ['-0XFF', -255n],
    ['0b101', 5n],
    ['0o17', 15n],
    ['18446744073709551615', 18446744073709551615n],
    ['-9223372036854775808', -9223372036854775808n],
  ])('%s', (text, value) => {
    expect(parseInteger(text)).toBe(value);
  });

  test.each(['', ' 1', '1 ', '-', '0x', '1.0', '1e3', '1_000', '0xg', '--1', 'one', '１'])('refuses %j', (text) => {
    expect(parseInteger(text)).toBeUndefined();
  });
});

describe('parseValue', () => {
  test('takes the type from the value the variable has', () => {
    expect(parseValue('n', '0x10', 5)).toBe(16);
    expect(parseValue('n', '-2.5e1', 1.5)).toBe(-25);
    expect(parseValue('n', '.5', 1)).toBe(0.5);
    expect(parseValue('n', '-1', 0n)).toBe(-1n);
    expect(parseValue('n', '0xffffffffffffffff', 0n)).toBe(2n ** 64n - 1n);
    expect(parseValue('b', 'true', false)).toBe(true);
    expect(parseValue('b', '0', true)).toBe(false);
    expect(parseValue('s', '', 'old')).toBe('');
    expect(parseValue('s', '12=3', 'old')).toBe('12=3');
    expect(parseValue('bytes', '0a:0B 0c', new Uint8Array(3))).toEqual(Uint8Array.of(10, 11, 12));
  });

  test('reads arrays and structs as JSON, 64-bit members from numbers or texts', () => {
    expect(parseValue('matrix', '[[1, -2], [3, 4]]', [[0, 0], [0, 0]])).toEqual([[1, -2], [3, 4]]); // prettier-ignore
    expect(
      parseValue('flow', '{"bytes": "0xffffffffffffffff", "packets": 3, "x": 1}', { bytes: 0n, packets: 0n, x: 0 }),
    ).toEqual({ bytes: 2n ** 64n - 1n, packets: 3n, x: 1 });
  });

  test('passes the text of a variable that does not exist on, for the library to name the nearest', () => {
    expect(parseValue('nosuch', '1', undefined)).toBe('1');
  });

  test('says what it expected', () => {
    expect(refusal('target_uid', 'root', 0n)).toBe(
      '--set target_uid=root: expected an integer such as 1000, -1 or 0x3e8',
    );
    expect(refusal('target_uid', '1.5', 0n)).toMatch('expected an integer');
    expect(refusal('level', '', 3)).toBe('--set level=: expected a number such as 1000, -1 or 0x3e8');
    expect(refusal('flag', 'yes', true)).toBe('--set flag=yes: expected true or false');
    expect(refusal('octets', '123', new Uint8Array(4))).toBe(
      '--set octets=123: expected hex digits, two a byte, such as 0a0b0c',
    );
    expect(refusal('point', '3,4', { x: 0, y: 1n })).toBe('--set point=3,4: expected JSON such as {"x":0,"y":"1"}');
  });
});
