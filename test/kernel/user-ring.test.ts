import { setTimeout as sleep } from 'node:timers/promises';

import { Ebpf, UserRingBuffer, struct, u32, u64 } from '../../lib/index.js';
import { hasCallbacks, kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const Command = struct('command', { number: u64, kind: u32, extra: u32 });
const Typed = UserRingBuffer.of(Command);

/** 4096 bytes hold records of 16 bytes with their headers of 8. */
const capacity = Math.floor(4096 / 24);

const kernelTest = testIf(hasCallbacks && kernelHasSymbol('bpf_user_ringbuf_drain'), 'kernel 6.1');

let ebpf: Ebpf;

afterEach(async () => {
  await ebpf.close();
});

async function load(): Promise<UserRingBuffer<{ number: number | bigint; kind: number; extra: number }>> {
  ebpf = await Ebpf.load(sample('user_ring'));
  return ebpf.map('commands', Typed);
}

/** Lets the program take up to `most` records, 0 for all. */
async function drain(most = 0): Promise<void> {
  ebpf.variables['most'] = most;
  await ebpf.program('drain').testRun();
}

const command = (number: number): { number: number; kind: number; extra: number } => ({ number, kind: 7, extra: 2 });

kernelTest('a program drains what was sent, in order', async () => {
  const ring = await load();
  for (let number = 1; number <= 10; number++) expect(ring.send(command(number))).toBe(true);
  expect(ring.pendingBytes).toBe(240);
  await drain();
  expect({ ...ebpf.variables }).toMatchObject({
    drained: 10n,
    sum: 55n,
    bytes: 20n,
    last: 10n,
    wrong: 0n,
    result: 10n,
  });
  expect(ring.pendingBytes).toBe(0);
});

kernelTest('records wrap around many times, of a C type or of bytes', async () => {
  const typed = await load();
  for (let round = 0; round < 20; round++) {
    for (let index = 0; index < 100; index++) expect(typed.send(command(round * 100 + index))).toBe(true);
    await drain();
    expect(ebpf.variables['last']).toBe(BigInt(round * 100 + 99));
  }
  expect(ebpf.variables['sum']).toBe(1_999_000n);
  await ebpf.close();
  ebpf = await Ebpf.load(sample('user_ring'));
  const ring = ebpf.map('commands', UserRingBuffer);
  expect(ring.send(new Uint8Array(BigUint64Array.of(5n, 0n).buffer))).toBe(true);
  expect(ring.send(new Uint8Array(4))).toBe(true);
  await drain();
  expect({ ...ebpf.variables }).toMatchObject({ last: 5n, wrong: 1n });
});

kernelTest('a full ring takes no more until a program has drained', async () => {
  const ring = await load();
  let sent = 0;
  while (ring.send(command(sent))) sent++;
  expect(sent).toBe(capacity);
  expect(ring.reserve()).toBeUndefined();
  await drain(3);
  expect(ebpf.variables['drained']).toBe(3n);
  for (let index = 0; index < 3; index++) expect(ring.send(command(sent++))).toBe(true);
  expect(ring.send(command(0))).toBe(false);
  await drain();
  expect({ ...ebpf.variables }).toMatchObject({ drained: BigInt(sent), last: BigInt(sent - 1) });
});

kernelTest('sendWhenFree waits for a drain, in the order of the calls', async () => {
  const ring = await load();
  let sent = 0;
  while (ring.send(command(sent))) sent++;
  const order: number[] = [];
  const waiting = [1, 2, 3].map(async (number) =>
    ring.sendWhenFree(command(1000 + number)).then(() => order.push(number)),
  );
  await sleep(10);
  expect(order).toEqual([]);
  // Nobody overtakes those who wait.
  expect(ring.send(command(0))).toBe(false);
  await drain(2);
  await Promise.all(waiting.slice(0, 2));
  await sleep(5);
  expect(order).toEqual([1, 2]);
  await drain();
  await Promise.all(waiting);
  await drain();
  expect(ebpf.variables['last']).toBe(1003n);
  await ring.sendWhenFree(command(9));
  await drain();
  expect(ebpf.variables['last']).toBe(9n);
});

kernelTest('waiting ends by a signal, which sends nothing, or with the map', async () => {
  const ring = await load();
  while (ring.send(command(1)));
  const controller = new AbortController();
  const aborted = ring.sendWhenFree(command(1000), { signal: controller.signal });
  const kept = ring.sendWhenFree(command(2000));
  controller.abort('no longer');
  await expect(aborted).rejects.toBe('no longer');
  await drain();
  await kept;
  await drain();
  expect(ebpf.variables['last']).toBe(2000n);
  await expect(ring.sendWhenFree(command(1), { signal: AbortSignal.abort('before') })).rejects.toBe('before');
  while (ring.send(command(1)));
  const closed = ring.sendWhenFree(command(3000));
  ring.close();
  await expect(closed).rejects.toMatchObject({ code: 'ERR_EBPF_CLOSED', message: 'map "commands" is closed' });
  expect(() => ring.send(command(1))).toThrow('map "commands" is closed');
});

kernelTest('reserved records hold back later ones until they are submitted or discarded', async () => {
  const ring = await load();
  const first = ring.reserve();
  const second = ring.reserve(16);
  expect(ring.send(command(3))).toBe(true);
  await drain();
  expect(ebpf.variables['drained']).toBe(0n);
  if (first === undefined || second === undefined) throw new Error('no room');
  expect([...first.bytes]).toEqual(Array(16).fill(0));
  Command.encode(command(1), new DataView(first.bytes.buffer), 0);
  first.submit();
  expect(() => {
    first.submit();
  }).toThrow('this record of a user ring buffer is closed');
  await drain();
  expect({ ...ebpf.variables }).toMatchObject({ drained: 1n, last: 1n });
  second.discard();
  await drain();
  expect({ ...ebpf.variables }).toMatchObject({ drained: 2n, last: 3n });
  {
    using _third = ring.reserve();
  }
  expect(ring.send(command(4))).toBe(true);
  await drain();
  expect({ ...ebpf.variables }).toMatchObject({ drained: 3n, last: 4n });
});

kernelTest('what is no record is refused', async () => {
  const ring = await load();
  expect(() => ring.send({ number: 1, kind: -1, extra: 0 })).toThrow(/^value\.kind: /);
  expect(() => ring.reserve(4096)).toThrow('value: a record of 4096 bytes takes 4104, the ring has 4096');
  expect(() => ring.reserve(-1)).toThrow('size: must be a whole number of bytes, not -1');
  expect(() => ebpf.map('commands', UserRingBuffer.of('comand'))).toThrow('did you mean "command"?');
  expect(ring.pendingBytes).toBe(0);
  await ebpf.close();
  ebpf = await Ebpf.load(sample('user_ring'));
  const bytes = ebpf.map('commands', UserRingBuffer);
  expect(() => bytes.send('text' as unknown as Uint8Array)).toThrow('value: must be a Uint8Array');
  expect(() => bytes.reserve()).toThrow('size: must be a whole number of bytes, not undefined');
});
