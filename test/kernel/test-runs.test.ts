import { CgroupSkb, Ebpf, RawTracepoint, RingBuffer, SocketFilter, type TestRunOptions } from '../../lib/index.js';
import { sample } from '../helpers/samples.js';

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function load(name: string): Promise<Ebpf> {
  const ebpf = await Ebpf.load(sample(name));
  closing.push(async () => ebpf.close());
  return ebpf;
}

const packet = new Uint8Array(64).fill(7);

function refused(path: string, message: string): Error {
  return expect.objectContaining({
    code: 'ERR_EBPF_INVALID_VALUE',
    path,
    message: expect.stringContaining(message) as string,
  }) as Error;
}

describe('testRun of packets', () => {
  test('gives the packet back, and repeats', async () => {
    const ebpf = await load('tail_calls');
    const program = ebpf.program('traffic_to');
    const run = await program.testRun({ data: packet, repeat: 100 });
    expect(run.returnValue).toBe(7);
    expect(run.dataOut).toEqual(packet);
    expect(ebpf.variable('reached').value).toBe(100n);
    expect(run.durationNs).toBeGreaterThanOrEqual(0);
    expect((await program.testRun({ data: packet, dataOutSize: 64 })).dataOut).toEqual(packet);
    // What a filter of sockets sees begins behind the Ethernet header, which comes back as zeros.
    const filtered = await ebpf.program('packet_to', SocketFilter).testRun({ data: packet });
    expect(filtered.dataOut).toEqual(Uint8Array.from(packet, (byte, index) => (index < 14 ? 0 : byte)));
  });

  test('runs programs of cgroups', async () => {
    const ebpf = await load('cgroup_programs');
    const { returnValue } = await ebpf.program('egress', CgroupSkb).testRun({ data: packet });
    expect(returnValue).toBe(1);
    expect(ebpf.variable('packets_out').value).toBe(1n);
  });

  test.each<[TestRunOptions, string, string]>([
    [{}, 'data', 'it is missing; program "packet_to" runs on a packet, of at least 14 bytes'],
    [{ data: new Uint8Array(13) }, 'data', 'it has 13 bytes'],
    [{ data: packet, dataOutSize: 8 }, 'dataOutSize', 'left more than there is room for'],
    [{ data: 'packet' as never }, 'data', 'must be a Uint8Array'],
    [{ data: packet, repeat: -1 }, 'repeat', 'must be a whole number from 0'],
    [{ data: packet, repeat: 1.5 }, 'repeat', 'must be a whole number from 0'],
    [{ data: packet, context: [] as never }, 'context', 'must be a Uint8Array'],
    [{ data: packet, contextOutSize: Number.NaN }, 'contextOutSize', 'must be a whole number from 0'],
  ])('refuses %p', async (options, path, message) => {
    const program = (await load('tail_calls')).program('packet_to');
    await expect(program.testRun(options)).rejects.toThrow(refused(path, message));
  });

  test('refuses what it does not know', async () => {
    const program = (await load('tail_calls')).program('packet_to');
    await expect(program.testRun({ data: packet, repeats: 5 } as never)).rejects.toThrow('did you mean "repeat"?');
  });
});

describe('testRun of raw tracepoints', () => {
  test('takes arguments', async () => {
    const ebpf = await load('ring_burst');
    const program = ebpf.program('burst', RawTracepoint);
    const reader = ebpf.map('events', RingBuffer).read();
    await program.testRun({ context: [3, 16n, 0] });
    let seen = 0;
    for await (const batch of reader.batches()) {
      seen += batch.length;
      if (seen === 3) break;
    }
    expect(seen).toBe(3);
  });

  test('runs on a CPU', async () => {
    const ebpf = await load('tail_calls');
    const program = ebpf.program('trace_to', RawTracepoint);
    expect((await program.testRun({ context: [1], cpu: 0 })).returnValue).toBe(7);
    await expect(program.testRun({ context: [1], cpu: 4095 })).rejects.toMatchObject({ errnoName: 'ENXIO' });
  });

  test.each<[unknown, string, string]>([
    [new Array(13).fill(0), 'context', 'at most 12'],
    ['1', 'context', 'must be a Uint8Array or an array of arguments'],
    [{ args: [1] }, 'context', 'must be a Uint8Array or an array of arguments'],
    [[1.5], 'context[0]', 'must be a safe integer'],
    [[0, 2n ** 64n], 'context[1]', 'must be a safe integer'],
    [[null], 'context[0]', 'must be a safe integer'],
  ])('refuses the arguments %p', async (context, path, message) => {
    const program = (await load('tail_calls')).program('trace_to', RawTracepoint);
    await expect(program.testRun({ context: context as number[] })).rejects.toThrow(refused(path, message));
  });

  test('takes bytes too, and gives none back', async () => {
    const program = (await load('tail_calls')).program('trace_to', RawTracepoint);
    const run = await program.testRun({ context: new Uint8Array(8) });
    expect([run.returnValue, run.context]).toEqual([7, undefined]);
  });
});
