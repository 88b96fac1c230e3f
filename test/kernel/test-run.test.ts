import { Ebpf, listInterfaces, Xdp } from '../../lib/index.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { packet } from '../helpers/packets.js';
import { rawArguments, sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { hasTestNetworks, TestNetwork } from '../helpers/test-network.js';

const XDP_PASS = 2;
const XDP_TX = 3;
const TC_ACT_REDIRECT = 7;

/** `struct xdp_md` is taken since 5.15, which has timers too. */
const hasContexts = kernelHasSymbol('bpf_timer_init');
const hasLiveFrames = kernelHasSymbol('bpf_test_run_xdp_live');

let ebpf: Ebpf;
async function load(name: string): Promise<Ebpf> {
  ebpf = await Ebpf.load(sample(name));
  return ebpf;
}
afterEach(async () => {
  await ebpf.close();
});

/** A structure of 32-bit numbers, by their offsets. */
function words(size: number, values: Readonly<Record<number, number>>): Uint8Array {
  const all = new Uint32Array(size / 4);
  for (const [offset, value] of Object.entries(values)) all[Number(offset) / 4] = value;
  return new Uint8Array(all.buffer);
}

function word(bytes: Uint8Array, offset: number): number | undefined {
  return new Uint32Array(bytes.slice(offset, offset + 4).buffer)[0];
}

describe('XDP', () => {
  test('returns what the program returned, the packet and the time', async () => {
    await load('xdp');
    const data = packet();
    const { returnValue, dataOut, contextOut, durationNs } = await ebpf.program('decide').testRun({ data });
    expect(returnValue).toBe(XDP_PASS);
    expect(dataOut).toEqual(data);
    expect(contextOut).toEqual(new Uint8Array(0));
    expect(typeof durationNs).toBe('number');
    expect(ebpf.variables['packets']).toBe(1n);
  });

  test('runs as often as it is told', async () => {
    await load('xdp');
    const { returnValue } = await ebpf.program('decide').testRun({ data: packet(), repeat: 100 });
    expect(returnValue).toBe(XDP_PASS);
    expect(ebpf.variables['packets']).toBe(100n);
  });

  test('gives back a packet that the program changed', async () => {
    await load('xdp');
    const data = packet().fill(7, 0, 1);
    const { returnValue, dataOut } = await ebpf.program('cut_front').testRun({ data });
    expect(returnValue).toBe(XDP_TX);
    expect(dataOut).toHaveLength(62);
    expect(dataOut[0]).toBe(7);
    expect(dataOut.subarray(1)).toEqual(data.subarray(3));
  });

  testIf(hasTestNetworks && hasContexts, 'contexts of XDP')('takes and gives a context', async () => {
    await load('xdp');
    const network = await TestNetwork.create();
    try {
      const netns = network.path;
      const right = (await listInterfaces({ netns })).find(({ name }) => name === 'right')?.index ?? 0;
      // The interface is ready for XDP once it has a program.
      await ebpf.program('drop_all', Xdp).attach({ interface: right, netns, mode: 'native' });
      const data = packet();
      // struct xdp_md: data, data_end, data_meta, ingress_ifindex, …
      const context = words(24, { 4: data.length, 12: right });
      const { contextOut } = await ebpf.program('decide').testRun({ data, context, contextOutSize: 24, netns });
      expect(ebpf.variables['ingress_index']).toBe(right);
      expect([word(contextOut, 4), word(contextOut, 12)]).toEqual([data.length, right]);
      const wrong = words(24, { 4: data.length + 1 });
      await expect(ebpf.program('decide').testRun({ data, context: wrong })).rejects.toMatchObject({
        errnoName: 'EINVAL',
      });
    } finally {
      await ebpf.close();
      await network.close();
    }
  });

  testIf(hasTestNetworks && hasLiveFrames, 'live frames')('does what programs return with live frames', async () => {
    await load('xdp');
    const network = await TestNetwork.create();
    try {
      const netns = network.path;
      const right = (await listInterfaces({ netns })).find(({ name }) => name === 'right')?.index ?? 0;
      await ebpf.program('drop_all', Xdp).attach({ interface: right, netns, mode: 'native' });
      const data = packet();
      const context = words(24, { 4: data.length, 12: right });
      const before = await network.received();
      const run = { data, context, netns, liveFrames: true, repeat: 100 };
      const { dataOut } = await ebpf.program('decide').testRun({ ...run, batchSize: 10 });
      expect(dataOut).toHaveLength(0);
      expect(ebpf.variables['packets']).toBe(100n);
      expect((await network.received()) - before).toBe(100);
      await expect(ebpf.program('decide').testRun({ ...run, batchSize: 257 })).rejects.toMatchObject({
        errnoName: 'E2BIG',
      });
    } finally {
      await ebpf.close();
      await network.close();
    }
  });
});

test('traffic control changes the packet and what is told of it', async () => {
  await load('tc');
  const data = packet();
  // struct __sk_buff: mark at 8, cb at 48
  const context = words(192, { 8: 41 });
  const run = await ebpf.program('rewrite').testRun({ data, context, contextOutSize: 192 });
  expect(run.returnValue).toBe(TC_ACT_REDIRECT);
  expect(run.dataOut[14]).toBe('B'.charCodeAt(0));
  expect(data[14]).toBe(0x45);
  expect([word(run.contextOut, 8), word(run.contextOut, 48)]).toEqual([42, 64]);
});

test('a socket filter sees what a socket would receive', async () => {
  await load('socket_filter');
  const all = await ebpf.program('keep_all').testRun({ data: packet() });
  // Without the Ethernet header.
  expect(all.returnValue).toBe(50);
  const some = await ebpf.program('keep_four').testRun({ data: packet(), repeat: 3 });
  expect(some.returnValue).toBe(12);
  expect(ebpf.variables['seen']).toBe(4n);
});

test('a raw tracepoint runs on the CPU that is asked for', async () => {
  await load('maps');
  const { returnValue } = await ebpf.program('touch').testRun({ context: rawArguments(0), cpu: 0 });
  expect(returnValue).toBe(0);
  await expect(ebpf.program('touch').testRun({ context: rawArguments(0), cpu: 100_000 })).rejects.toMatchObject({
    errnoName: 'ENXIO',
  });
});

test('refuses what is no packet, and numbers that are none', async () => {
  await load('xdp');
  const program = ebpf.program('decide');
  const usage = (message: string): object => ({ name: 'UsageError', code: 'ERR_EBPF_INVALID_VALUE', message });
  await expect(program.testRun()).rejects.toMatchObject(
    usage('data: it is missing; program "decide" runs on a packet, of at least 14 bytes'),
  );
  await expect(program.testRun({ data: new Uint8Array(13) })).rejects.toMatchObject(
    usage('data: it has 13 bytes; program "decide" runs on a packet, of at least 14 bytes'),
  );
  await expect(program.testRun({ data: packet(), repeat: -1 })).rejects.toMatchObject(
    usage('repeat: must be a whole number from 0, not -1'),
  );
  await expect(program.testRun({ data: packet(), batchSize: 2 })).rejects.toMatchObject(
    usage('batchSize: is of runs with "liveFrames" only'),
  );
  await expect(program.testRun({ data: packet(), dataOutSize: 10 })).rejects.toMatchObject(
    usage('dataOutSize: program "decide" left more than there is room for; give more'),
  );
  program.close();
  await expect(program.testRun({ data: packet() })).rejects.toMatchObject({ code: 'ERR_EBPF_CLOSED' });
});
