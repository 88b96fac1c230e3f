import { TraceLineParser } from '../../../lib/events/index.js';

const start = '            node-123     [003] d..31  1234.567890: bpf_trace_printk: ';

test('a line has task, pid, CPU, time and message', () => {
  const parser = new TraceLineParser();
  expect(parser.push(`${start}hello\n`)).toEqual({ lines: [], lost: 0 });
  expect(parser.flush()).toEqual([{ task: 'node', pid: 123, cpu: 3, timestamp: 1_234_567_890_000n, message: 'hello' }]);
  expect(parser.flush()).toEqual([]);
});

test.each([
  ['          <idle>-0       [000] ..s.     5.000001: bpf_trace_printk: x', '<idle>', 0, 0, 5_000_001_000n],
  ['  kworker/0:1-a-42      (-------) [012] d... 12.5: bpf_trace_printk: x', 'kworker/0:1-a', 42, 12, 12_500_000_000n],
  ['     my task-1-7        (   1234) [001] d.h2. 1.1: bpf_trace_printk: x', 'my task-1', 7, 1, 1_100_000_000n],
])('%s', (line, task, pid, cpu, timestamp) => {
  const parser = new TraceLineParser();
  parser.push(`${line}\n`);
  expect(parser.flush()).toEqual([{ task, pid, cpu, timestamp, message: 'x' }]);
});

test('pieces may end anywhere, messages may have several lines and end in newlines', () => {
  const text = `${start}one\n\n${start}two\n  more\n- last-1\n${start}\n${start}four: bpf_trace_printk: x\n`;
  const parser = new TraceLineParser();
  const messages: string[] = [];
  for (const character of text) messages.push(...parser.push(character).lines.map(({ message }) => message));
  messages.push(...parser.flush().map(({ message }) => message));
  expect(messages).toEqual(['one', 'two\n  more\n- last-1', '', 'four: bpf_trace_printk: x']);
});

test('losses are counted; lines of other events, and what precedes the first line, are passed over', () => {
  const parser = new TraceLineParser();
  const other = start.replace('bpf_trace_printk', 'sched_switch');
  expect(parser.push(`rest of a message\n${start}a\nCPU:1 [LOST 12 EVENTS]\n${other}x\n${start}b\n`)).toMatchObject({
    lines: [{ message: 'a' }],
    lost: 12,
  });
  expect(parser.push('CPU:0 [LOST EVENTS]\n')).toMatchObject({ lines: [{ message: 'b' }], lost: 1 });
});
