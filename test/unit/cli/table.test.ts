import { formatValue, STREAM_WIDTHS, Table } from '../../../lib/cli/table.js';

describe('formatValue', () => {
  test.each<[unknown, string]>([
    [1, '1'],
    [-1n, '-1'],
    [1.5, '1.5'],
    [true, 'true'],
    ['plain text', 'plain text'],
    ['\u001b[2J\n', '\\x1b[2J\\x0a'],
    ['a\u202eb', 'a\\u202eb'],
    [Uint8Array.of(0, 255, 16), '00ff10'],
    [[1, 2n, 'x y'], '[1 2 "x y"]'],
    [[{ x: 1, s: '\t' }], '[{x=1 s="\\x09"}]'],
  ])('%p', (value, text) => {
    expect(formatValue(value)).toBe(text);
  });
});

describe('Table', () => {
  test('aligns numbers to the right, texts to the left, and pads nothing at the end of a line', () => {
    const table = new Table();
    expect(
      table.lines([
        { ts: 1234567890123n, pid: 7, comm: 'sh', filename: '/bin/sh' },
        { ts: 9n, pid: 123456, comm: 'a-long-command', filename: '/x' },
      ]),
    ).toBe(
      '           TS     PID  COMM            FILENAME\n' +
        '1234567890123       7  sh              /bin/sh\n' +
        '            9  123456  a-long-command  /x\n',
    );
  });

  test('prints the header once; columns grow with what comes and never shrink', () => {
    const table = new Table({ minimum: STREAM_WIDTHS });
    expect(table.lines([{ pid: 1, comm: 'sh', done: true }])).toBe(
      '    PID  COMM              DONE\n' + '      1  sh                true\n',
    );
    expect(table.lines([{ pid: 123456789, comm: 'sh', done: true }])).toBe('123456789  sh                true\n');
    expect(table.lines([{ pid: 2, comm: 'sh', done: false }])).toBe('        2  sh                false\n');
    expect(table.lines([])).toBe('');
  });

  test('gives nested structs columns of their own and indents on request', () => {
    const table = new Table({ indent: '  ' });
    expect(table.lines([{ key: 7, value: { at: { x: -1, y: 2 }, tags: ['a', 'b'] } }])).toBe(
      '  KEY  VALUE.AT.X  VALUE.AT.Y  VALUE.TAGS\n' + '    7          -1           2  ["a" "b"]\n',
    );
  });

  test('escapes what would move the cursor, in names too', () => {
    expect(new Table().lines([{ 'a\nb': '\r\u001b[31m' }])).toBe('A\\X0AB\n\\x0d\\x1b[31m\n');
  });

  test('prints a plain value as one column', () => {
    expect(new Table().lines([Uint8Array.of(1, 2), Uint8Array.of(3)])).toBe('VALUE\n0102\n03\n');
  });
});

test('cuts values on request', () => {
  const table = new Table({ widest: 8 });
  expect(table.lines([{ bytes: new Uint8Array(5), text: 'just fit' }])).toBe('BYTES     TEXT\n0000000…  just fit\n');
});
