import { Pace } from '../../../lib/events/pace.js';

const capacity = 4 * 1024 * 1024;

/** How a reader of a ring of 4 MiB waits when so many records of 72 bytes came within the last millisecond. */
function waitAt(eventsPerMs: number, options: { maxLatencyMs?: number; pollMs?: number } = {}): unknown {
  const clock = jest.spyOn(performance, 'now');
  try {
    const { maxLatencyMs, pollMs } = options;
    const pace = new Pace({ pendingBytes: () => 0 }, capacity, { maxLatencyMs, pollMs });
    clock.mockReturnValue(1000);
    pace.next();
    pace.took(eventsPerMs, eventsPerMs * 72);
    clock.mockReturnValue(1001);
    return pace.next();
  } finally {
    clock.mockRestore();
  }
}

test('few events are waited for until the kernel tells, or a look is due', () => {
  expect(waitAt(0)).toEqual({ kind: 'wake', atMostMs: undefined });
  expect(waitAt(7)).toEqual({ kind: 'wake', atMostMs: undefined });
  expect(waitAt(7, { pollMs: 5 })).toEqual({ kind: 'wake', atMostMs: 5 });
});

test('many are gathered as long as twice what comes meanwhile has room, and else other work only gets its turn', () => {
  expect(waitAt(8)).toEqual({ kind: 'time', ms: 1 });
  const most = Math.floor(capacity / 2 / 72);
  expect(waitAt(most, { pollMs: 1 })).toEqual({ kind: 'time', ms: 1 });
  expect(waitAt(most + 1, { pollMs: 1 })).toEqual({ kind: 'turn' });
});

test('a latency that was asked for is kept at every rate', () => {
  expect(waitAt(7, { maxLatencyMs: 20 })).toEqual({ kind: 'time', ms: 20 });
  expect(waitAt(100_000, { maxLatencyMs: 20 })).toEqual({ kind: 'time', ms: 20 });
  expect(waitAt(100_000, { maxLatencyMs: 0 })).toEqual({ kind: 'wake', atMostMs: undefined });
});
