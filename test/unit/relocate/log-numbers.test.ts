import { RelocationError } from '../../../lib/errors/index.js';
import { LogNumbers } from '../../../lib/relocate/log-numbers.js';

test('a log has one number from 1 on, in each program another', () => {
  const numbers = new LogNumbers();
  const logs = [
    { program: 'exec', offset: 0 },
    { program: 'exec', offset: 24 },
    { program: 'exit', offset: 0 },
  ];
  expect(logs.map((log) => numbers.of(log))).toEqual([1, 2, 3]);
  expect(logs.map((log) => numbers.of({ ...log }))).toEqual([1, 2, 3]);
  expect(numbers.logs).toEqual(logs);
});

test('the two bytes of a record hold 65,535 numbers; one log more says what to do', () => {
  const numbers = new LogNumbers();
  for (let offset = 0; offset < 0xffff; offset++) numbers.of({ program: 'main', offset });
  expect(numbers.of({ program: 'main', offset: 0xfffe })).toBe(0xffff);
  const more = (): number => numbers.of({ program: 'last', offset: 0 });
  expect(more).toThrow(RelocationError);
  expect(more).toThrow(
    /^program last: .*the object has more than 65535 logs.*load fewer programs at once, or a lower logLevel$/u,
  );
});
