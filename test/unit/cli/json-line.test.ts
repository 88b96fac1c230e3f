import { jsonLine } from '../../../lib/cli/json-line.js';

test.each([
  'plain',
  'naïve 😀 日本',
  '\u001b[2J\n"\\',
  'a\u007fb\u0085c\u009b31md',
  'a\u202eb\u2066c\u200fd\u2028e',
  '\ud800',
])('%j comes back from its line, which moves no cursor', (text) => {
  const line = jsonLine({ [text]: text, list: [text, 1n] });
  expect(JSON.parse(line)).toEqual({ [text]: text, list: [text, '1'] });
  // eslint-disable-next-line no-control-regex -- control characters are what this looks for
  expect(line).toMatch(/^[^\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]*\n$/u);
});

test('what is not dangerous is left as it is', () => {
  expect(jsonLine({ comm: 'naïve 😀' })).toBe('{"comm":"naïve 😀"}\n');
});
