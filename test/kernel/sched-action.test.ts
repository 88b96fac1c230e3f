// Actions of traffic control: what is done with the packets that a filter has chosen, which here are all.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  Ebpf,
  Link,
  ObjectSpec,
  SchedAction,
  Tc,
  TcFilterLink,
  type SchedActionAttachOptions,
} from '../../lib/index.js';
import { hasClsact } from '../helpers/clsact.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { hasTestNetworks, TestNetwork } from '../helpers/test-network.js';
import { until } from '../helpers/until.js';

const hasActions = hasTestNetworks && hasClsact && kernelHasSymbol('tcf_bpf_act');
const withActions = testIf(hasActions, 'actions of traffic control');

let network: TestNetwork;
let ebpf: Ebpf;

beforeAll(async () => {
  if (hasTestNetworks) network = await TestNetwork.create();
});
beforeEach(async () => {
  const spec = ObjectSpec.parse(readFileSync(sample('tc')));
  for (const program of spec.programs.values())
    program.autoload = ['act', 'act_by_dropping', 'anywhere'].includes(program.name);
  ebpf = await Ebpf.load(spec);
});
afterEach(async () => {
  await ebpf.close();
});
afterAll(async () => {
  if (hasTestNetworks) await network.close();
});

const packets = (): bigint => ebpf.variables['packets'] as bigint;
const where = () => ({ interface: 'right', netns: network.path, direction: 'ingress' }) as const;

async function attach(name: string, options: Partial<SchedActionAttachOptions> = {}): Promise<TcFilterLink> {
  return ebpf.program(name, SchedAction).attach({ ...where(), ...options });
}

describe('SchedAction', () => {
  withActions('acts on all packets, and leaves them to the next filter', async () => {
    const link = await attach('act', { priority: 10 });
    expect(link).toBeInstanceOf(TcFilterLink);
    expect(link.target).toBe(`action ingress right in ${network.path}`);
    await network.send(3);
    await until(() => packets() === 3n);
    const programId = ebpf.program('act').info().id;
    expect((await Tc.query(where())).filters).toMatchObject([
      { priority: 10, handle: link.filterHandle, kind: 'bpf', actionProgramIds: [programId], directAction: false },
    ]);
    const next = await ebpf.program('anywhere', Tc).attach({ ...where(), by: 'clsact', priority: 20 });
    await network.send(1);
    await until(() => packets() === 5n);
    await next.close();
    await link.close();
    expect((await Tc.query(where())).filters).toEqual([]);
    await network.send(1);
    expect(packets()).toBe(5n);
  });

  withActions('is replaced in its place, and drops', async () => {
    const link = await attach('act', { priority: 7, handle: 3 });
    await link.update(ebpf.program('act_by_dropping'));
    expect(link.program).toBe('act_by_dropping');
    const before = await network.received();
    await network.send(1);
    await until(() => packets() === 100n);
    // Only where it was sent it was also received.
    expect((await network.received()) - before).toBe(1);
    const { filters } = await Tc.query(where());
    expect(filters).toMatchObject([
      { priority: 7, handle: 3, actionProgramIds: [ebpf.program('act_by_dropping').info().id] },
    ]);
    await expect(link.update(ebpf.program('anywhere'))).rejects.toMatchObject({ path: 'program' });
    await expect(attach('act', { priority: 7, handle: 3 })).rejects.toMatchObject({ errnoName: 'EEXIST' });
    await link.close();
  });

  withActions('is found again by a pin, replaced and taken off', async () => {
    const pin = join(network.pins, 'action');
    await attach('act', { pin, keep: true });
    await using again = Link.open(pin);
    if (!(again instanceof TcFilterLink)) throw new Error('the pin is of another link');
    await again.update(ebpf.program('act_by_dropping'));
    await network.send(1);
    await until(() => packets() === 100n);
    await again.detach();
    expect((await Tc.query(where())).filters).toEqual([]);
  });

  withActions('stays when it is asked to', async () => {
    const link = await attach('act', { keep: true });
    await link.close();
    const [filter] = (await Tc.query(where())).filters;
    expect(filter?.priority).toBe(link.priority);
    await Tc.removeFilter({ ...where(), priority: link.priority, handle: link.filterHandle });
    expect((await Tc.query(where())).filters).toEqual([]);
  });

  testIf(hasTestNetworks && !hasActions, 'a kernel without actions of traffic control')(
    'says where there are none',
    async () => {
      await expect(attach('act')).rejects.toMatchObject({
        name: 'UnsupportedError',
        message: expect.stringMatching(/^actions that are programs: this kernel was built without them/u) as string,
      });
    },
  );

  test('wants to know where', async () => {
    const program = ebpf.program('act', SchedAction);
    await expect(program.attach()).rejects.toMatchObject({ path: 'direction' });
    await expect(program.attach({ direction: 'ingress' } as SchedActionAttachOptions)).rejects.toMatchObject({
      path: 'interface',
    });
    const { unattached } = await ebpf.attach();
    expect(unattached.find(({ program: { name } }) => name === 'act')?.reason).toBe(
      "its section names no interface; give attach({ interface: 'name', direction })",
    );
  });
});
