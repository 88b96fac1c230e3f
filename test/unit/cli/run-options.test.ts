import { parseRunOptions } from '../../../lib/cli/commands/run-options.js';

describe('the options of `node-ebpf run`', () => {
  test('reads all of them, in any order', () => {
    expect(
      parseRunOptions([
        ...['--json', 'x.bpf.o', '--set', 'uid=-1', '--set', 'name=a=b', '--set', 'uid=0x10', '--set', 'empty='],
        ...['--events', 'events=struct event', '--events', 'raw', '--count', '3', '--duration', '0.5'],
        ...['--log-level', 'debug'],
      ]),
    ).toEqual({
      object: 'x.bpf.o',
      variables: new Map([
        ['uid', '0x10'],
        ['name', 'a=b'],
        ['empty', ''],
      ]),
      events: new Map([
        ['events', 'event'],
        ['raw', undefined],
      ]),
      count: 3,
      milliseconds: 500,
      json: true,
      logs: true,
      logLevel: 'debug',
    });
  });

  test('needs nothing but the object', () => {
    expect(parseRunOptions(['x.bpf.o'])).toEqual({
      object: 'x.bpf.o',
      variables: new Map(),
      events: new Map(),
      count: undefined,
      milliseconds: undefined,
      json: false,
      logs: false,
      logLevel: undefined,
    });
    expect(parseRunOptions(['x.bpf.o', '--logs'])).toMatchObject({ logs: true, logLevel: undefined });
  });

  test.each([
    [[], 'no object given: node-ebpf run <object>'],
    [['a.o', 'b.o'], 'one object at a time; b.o is too much'],
    [['a.o', '--set', 'uid'], '--set uid: expected name=value'],
    [['a.o', '--set', '=1'], '--set =1: expected name=value'],
    [['a.o', '--events', 'events='], '--events events=: expected map=type, or map alone'],
    [['a.o', '--events', 'e=a', '--events', 'e=b'], '--events e=b: e is named twice'],
    [['a.o', '--count', '0'], '--count 0: expected a number of events, at least 1'],
    [['a.o', '--count', '1e3'], '--count 1e3: expected a number of events, at least 1'],
    [['a.o', '--duration', '-1s'], '--duration'],
    [['a.o', '--duration', '0'], '--duration 0: expected seconds, such as 10 or 0.5'],
    [['a.o', '--duration', '9999999'], '--duration 9999999: at most 24 days'],
    [['a.o', '--log-level', 'loud'], '--log-level loud: expected error, warn, info, debug, trace'],
    [['a.o', '--colour'], "Unknown option '--colour'"],
  ])('refuses %j', (args, message) => {
    expect(() => parseRunOptions(args)).toThrow(message);
  });
});
