import { join } from 'node:path';

import type { RouteLink } from '../../lib/index.js';
import {
  Ebpf,
  LwtIn,
  LwtOut,
  LwtSeg6local,
  LwtXmit,
  type ProgramKind,
  type RouteAttachOptions,
  type RouteProgram,
} from '../../lib/index.js';
import { runChild } from '../helpers/child.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { hasTestNetworks, inOwnNetwork, TestNetwork } from '../helpers/test-network.js';
import { until } from '../helpers/until.js';

const hasRoutes = hasTestNetworks && kernelHasSymbol('bpf_build_state');
const withRoutes = testIf(hasRoutes, 'programs of routes');

let network: TestNetwork;
let ebpf: Ebpf;

beforeAll(async () => {
  if (hasRoutes) network = await TestNetwork.create();
});
beforeEach(async () => {
  if (hasRoutes) ebpf = await Ebpf.load(sample('routes'));
});
afterEach(async () => {
  if (hasRoutes) await ebpf.close();
});
afterAll(async () => {
  if (hasRoutes) await network.close();
});

const route = { destination: '10.77.0.0/16', interface: 'left' };

async function attach(
  name: string,
  kind: ProgramKind<RouteProgram>,
  options: Partial<RouteAttachOptions> = {},
): Promise<RouteLink> {
  return ebpf.program(name, kind).attach({ ...route, netns: network.path, ...options });
}

const count = (variable: string): unknown => ebpf.variables[variable];

describe('programs of routes', () => {
  withRoutes('see what goes out, until the link is closed', async () => {
    await expect(network.send(1, '10.77.0.1')).rejects.toThrow('failed ENETUNREACH');
    const link = await attach('out', LwtOut);
    expect(link.target).toBe(`route 10.77.0.0/16 at left in ${network.path}`);
    expect(link.survivesProcess).toBe(true);
    await network.send(2, '10.77.0.1');
    await until(() => count('went_out') === 2n);
    expect(() => link.info()).toThrow(/links of routes: the program was attached to route .* without one/u);
    await link.close();
    await link.close();
    await expect(network.send(1, '10.77.0.1')).rejects.toThrow('failed ENETUNREACH');
  });

  withRoutes('see what leaves for the next hop, drop it, and are replaced', async () => {
    const link = await attach('leave', LwtXmit, { via: '10.99.0.7', priority: 5, table: 254, headroom: 64 });
    await network.send(1, '10.77.9.9');
    await until(() => count('left') === 1n);
    ebpf.variables['verdict'] = 2;
    await expect(network.send(1, '10.77.9.9')).rejects.toThrow('failed EPERM');
    await link.update(ebpf.program('leave_too', LwtXmit));
    expect(link.program).toBe('leave_too');
    await network.send(1, '10.77.9.9');
    await until(() => count('left') === 102n);
  });

  withRoutes('see what comes in', async () => {
    await attach('in', LwtIn, { destination: '10.77.0.1', interface: 'lo', type: 'local' });
    await network.send(3, '10.77.0.1');
    await until(() => count('came_in') === 3n);
  });

  withRoutes('see what comes to the end of a segment', async () => {
    const { stdout, stderr } = await runChild(join(__dirname, 'children/routes.ts'), [], { wrapper: inOwnNetwork });
    expect([stdout, stderr]).toEqual(['ended 1\n', '']);
  });

  withRoutes('say what cannot be', async () => {
    const failures: [Partial<RouteAttachOptions>, object][] = [
      [{ destination: 'nowhere' }, { path: 'destination' }],
      [{ destination: '10.0.0.0/33' }, { path: 'destination' }],
      [{ destination: undefined as unknown as string }, { path: 'destination' }],
      [{ via: 'fe80::1' }, { path: 'via' }],
      [{ type: 'blackhole' as 'local' }, { path: 'type' }],
      [{ priority: -1 }, { path: 'priority' }],
      [{ table: 1.5 }, { path: 'table' }],
      [{ headroom: 8 }, { path: 'headroom' }],
      [{ interface: 'lefd' }, { code: 'ERR_EBPF_NOT_FOUND' }],
    ];
    for (const [options, error] of failures) await expect(attach('out', LwtOut, options)).rejects.toMatchObject(error);
    await expect(attach('leave', LwtXmit, { headroom: 257 })).rejects.toMatchObject({ path: 'headroom' });
    const link = await attach('out', LwtOut);
    await expect(attach('leave', LwtXmit)).rejects.toMatchObject({
      code: 'ERR_EBPF_BUSY',
      message: expect.stringMatching(
        /is busy: there is such a route already; give another priority or table$/u,
      ) as string,
    });
    await expect(
      link.update(ebpf.program('out', LwtOut), { expected: ebpf.program('out', LwtOut) }),
    ).rejects.toMatchObject({ path: 'expected' });
    expect(ebpf.program('end', LwtSeg6local).autoAttachObstacle).toMatch(/^its section names no route/u);
  });

  withRoutes('are gone with their interface', async () => {
    const gone = await TestNetwork.create();
    const link = await attach('out', LwtOut, { netns: gone.path });
    await gone.close();
    await link.close();
  });
});
