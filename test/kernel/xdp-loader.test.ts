// The protocol of libxdp, with libxdp's own loader at the other end.
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { promisify } from 'node:util';

import { Ebpf, Xdp, XdpDispatcher } from '../../lib/index.js';
import { installed } from '../helpers/installed.js';
import { hasFreplace } from '../helpers/kernel-hooks.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { hasTestNetworks, TestNetwork } from '../helpers/test-network.js';
import { until } from '../helpers/until.js';

const hasLoader = hasTestNetworks && hasFreplace && installed('xdp-loader') && installed('nsenter');
const withLoader = testIf(hasLoader, 'xdp-loader');
const run = promisify(execFile);

let network: TestNetwork;
let ebpf: Ebpf;

beforeAll(async () => {
  if (hasLoader) network = await TestNetwork.create();
});
beforeEach(async () => {
  if (hasLoader) ebpf = await Ebpf.load(sample('xdp_dispatched'), { dispatched: true });
});
afterEach(async () => {
  if (!hasLoader) return;
  await ebpf.close();
  expect(readdirSync(`${network.pins}/xdp`)).toEqual([]);
});
afterAll(async () => {
  if (hasLoader) await network.close();
});

const dispatcher = (): XdpDispatcher =>
  new XdpDispatcher({ interface: 'right', netns: network.path, bpffs: network.pins });

/** xdp-loader in the test's network, where a BPF file system is at /mnt. */
async function loader(...words: string[]): Promise<string> {
  const pid = /\d+/u.exec(network.path)?.[0] ?? '';
  const command = ['-t', pid, '-n', '-m', 'xdp-loader', ...words];
  const { stdout } = await run('nsenter', command, { env: { ...process.env, LIBXDP_BPFFS: '/mnt' }, timeout: 60_000 });
  return stdout;
}

/** Its table: priority, name and id of each program, and the actions after which the next runs. */
async function status(): Promise<string[]> {
  const lines = (await loader('status', 'right')).split('\n').filter((line) => line.startsWith(' =>'));
  return lines.map((line) =>
    line
      .replace(/^ => +/u, '')
      .replaceAll(/ +[0-9a-f]{16} +/gu, ' ')
      .replaceAll(/ +/gu, ' ')
      .trim(),
  );
}

const idOf = (name: string): number => ebpf.program(name).info().id;

async function order(of: Ebpf): Promise<string> {
  of.variables['order'] = 0n;
  await network.send(1);
  await until(() => of.variables['order'] !== 0n);
  return String(of.variables['order']);
}

describe('beside xdp-loader', () => {
  withLoader('lists ours, which it can take off', async () => {
    const first = await dispatcher().attach(ebpf.program('first', Xdp), { priority: 20 });
    await dispatcher().attach(ebpf.program('second', Xdp));
    expect(await status()).toEqual([
      `10 second ${idOf('second')} XDP_DROP,XDP_PASS`,
      `20 first ${idOf('first')} XDP_PASS`,
    ]);
    expect(await order(ebpf)).toBe('21');
    await loader('unload', 'right', '--id', String(idOf('first')));
    expect(await order(ebpf)).toBe('2');
    expect((await dispatcher().query())?.programs).toMatchObject([{ name: 'second', priority: 10 }]);
    // Somebody else has detached it already.
    await first.close();
    expect(await status()).toHaveLength(1);
  });

  withLoader('has its programs listed, and taken off', async () => {
    await loader('load', '-n', 'third', '-P', '30', '-A', 'XDP_PASS,XDP_TX', 'right', sample('xdp_dispatched'));
    const state = await dispatcher().query();
    expect(state).toMatchObject({
      mode: 'native',
      version: 2,
      programs: [{ name: 'third', priority: 30, continueOn: ['pass', 'tx'], fragments: false }],
    });
    const link = await dispatcher().attach(ebpf.program('first', Xdp), { priority: 5 });
    expect(await order(ebpf)).toBe('1');
    await loader('load', '-n', 'second', '-P', '1', 'right', sample('xdp_dispatched'));
    const all = await dispatcher().query();
    expect(all?.programs.map(({ name }) => name)).toEqual(['second', 'first', 'third']);
    expect(await status()).toEqual(
      all?.programs.map(({ priority, name, programId, continueOn }) =>
        [priority, name, programId, continueOn.map((action) => `XDP_${action.toUpperCase()}`).join(',')].join(' '),
      ),
    );
    await dispatcher().change({
      detach: (all?.programs ?? []).filter(({ name }) => name !== 'first'),
    });
    expect(await status()).toEqual([`5 first ${idOf('first')} XDP_PASS`]);
    await link.close();
    expect(await status()).toEqual([]);
  });
});
