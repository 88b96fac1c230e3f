import { withKernelLog, type LoggedCall } from '../../../lib/sys/kernel-log.js';

const ENOSPC = -28;
const text = (length: number): string => Array.from({ length }, (_, index) => 'abcdefghij'[index % 10]).join('');

/** Writes the log as bpf_verifier_vlog does: kernels of today keep the end of what is too long, older ones the beginning. */
function kernel(
  log: string,
  { saysSize, result = 5 }: { saysSize: boolean; result?: number },
): { call: (buffer: Uint8Array) => Promise<LoggedCall>; sizes: number[] } {
  const sizes: number[] = [];
  const call = async (buffer: Uint8Array): Promise<LoggedCall> => {
    sizes.push(buffer.byteLength);
    const room = buffer.byteLength - 1;
    buffer.set(Buffer.from(saysSize ? log.slice(-room) : log.slice(0, room)));
    const full = saysSize ? log.length > room : log.length >= room;
    const trueSize = saysSize && log !== '' ? log.length + 1 : 0;
    return Promise.resolve({ result: full ? ENOSPC : result, trueSize });
  };
  return { call, sizes };
}

describe.each([true, false])('a kernel that says a log’s size: %s', (saysSize) => {
  test.each([0, 1, 65_534, 65_535, 65_536, 100_000, 1_048_575, 1_048_576, 3_000_000])('%i bytes', async (length) => {
    for (const result of [5, -13]) {
      const { call, sizes } = kernel(text(length), { saysSize, result });
      await expect(withKernelLog(call)).resolves.toEqual({ result, log: text(length), truncated: false });
      if (saysSize) expect(sizes.length).toBeLessThanOrEqual(2);
      else expect(sizes).toEqual([65_536, 1_048_576, 16_777_216].slice(0, sizes.length));
      expect(sizes[0]).toBe(65_536);
    }
  });

  test('a log that is longer than what is kept', async () => {
    const { call, sizes } = kernel(text(1005), { saysSize });
    const { result, log, truncated } = await withKernelLog(call, 101);
    expect({ result, truncated, sizes }).toEqual({ result: ENOSPC, truncated: true, sizes: [101] });
    expect(log).toBe(saysSize ? text(1005).slice(-100) : text(100));
    const longer = kernel(text(200_000), { saysSize });
    await expect(withKernelLog(longer.call, 100_000)).resolves.toMatchObject({ result: ENOSPC, truncated: true });
    expect(longer.sizes).toEqual([65_536, 100_000]);
  });
});

test('a failure with ENOSPC whose log fits is not tried again', async () => {
  for (const saysSize of [true, false]) {
    const { call, sizes } = kernel('no room', { saysSize, result: ENOSPC });
    await expect(withKernelLog(call)).resolves.toEqual({ result: ENOSPC, log: 'no room', truncated: false });
    expect(sizes).toHaveLength(1);
  }
});

test('a log that is cut without ENOSPC, as that of BTF before Linux 6.4, is read again', async () => {
  const { call, sizes } = kernel(text(70_000), { saysSize: false });
  const refused = async (buffer: Uint8Array): Promise<LoggedCall> => ({ ...(await call(buffer)), result: -22 });
  await expect(withKernelLog(refused)).resolves.toEqual({ result: -22, log: text(70_000), truncated: false });
  expect(sizes).toEqual([65_536, 1_048_576]);
});

test('what a longer log left behind the end of the last one counts for nothing', async () => {
  const call = async (buffer: Uint8Array): Promise<LoggedCall> => {
    buffer.fill(0x61).set([0x62, 0]);
    return Promise.resolve({ result: -13, trueSize: 0 });
  };
  await expect(withKernelLog(call)).resolves.toEqual({ result: -13, log: 'b', truncated: false });
});

test('a log that grows between two runs still fits', async () => {
  let length = 70_000;
  const sizes: number[] = [];
  const call = async (buffer: Uint8Array): Promise<LoggedCall> => {
    sizes.push(buffer.byteLength);
    return kernel(text(length++), { saysSize: true }).call(buffer);
  };
  await expect(withKernelLog(call)).resolves.toMatchObject({ result: 5, log: text(70_001), truncated: false });
  expect(sizes).toHaveLength(2);
});
