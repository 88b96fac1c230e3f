// One set of rules that links of every type are held to: told, pinned, opened again, replaced, detached, closed; and across the
// end of a process.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  enableStats,
  EbpfError,
  Link,
  listLinks,
  listPrograms,
  NetworkNamespaceLink,
  RawTracepointLink,
  UpdatableLink,
  type ProgramStats,
} from '../../lib/index.js';
import { TestCgroup } from '../helpers/cgroup.js';
import { runChild } from '../helpers/child.js';
import {
  changePriority,
  congestionControl,
  execute,
  hasNetkit,
  linkCases,
  type Attached,
  type LinkCase,
  type LinkEvent,
  type Places,
} from '../helpers/link-cases.js';
import { PinFolder } from '../helpers/pin-folder.js';
import { testIf } from '../helpers/skip.js';
import { hasTestNetworks, TestNetwork } from '../helpers/test-network.js';
import { until } from '../helpers/until.js';

let stats: ProgramStats;
let pins: PinFolder;
let cgroup: TestCgroup;
let network: TestNetwork | undefined;
let places: Places;
const attached: Attached[] = [];
const opened: Link[] = [];

beforeAll(async () => {
  stats = enableStats();
  pins = await PinFolder.create();
  cgroup = new TestCgroup('links');
  network = hasTestNetworks ? await TestNetwork.create({ netkit: hasNetkit }) : undefined;
  places = { network: network?.path ?? '', cgroup: cgroup.path, pid: process.pid };
});

afterEach(async () => {
  for (const link of opened.splice(0)) await link.detach();
  for (const { objects } of attached.splice(0)) for (const object of objects) await object.close();
});

afterAll(async () => {
  await network?.close();
  cgroup.close();
  await pins.close();
  stats.close();
});

const happen: Readonly<Record<LinkEvent, () => unknown>> = {
  exec: execute,
  priority: changePriority,
  packet: async () => network?.send(1),
  socket: async () =>
    cgroup.within(async () => {
      const socket = createSocket('udp4').bind(0, '127.0.0.1');
      await once(socket, 'listening');
      socket.close();
    }),
};

/** How often a program ran, by the kernel's own count. */
function runs(programId: number): bigint {
  return listPrograms().find(({ id }) => id === programId)?.runCount ?? 0n;
}

/** Lets happen what the program is attached to; whether it ran. */
async function fires(event: LinkEvent, programId: number): Promise<boolean> {
  const before = runs(programId);
  await happen[event]();
  // Packets arrive when they arrive.
  for (let attempt = 0; attempt < 10 && runs(programId) === before; attempt++) await sleep(10);
  return runs(programId) > before;
}

/** The congestion control of the case of structures of operations, which the kernel lists while it is registered. */
function isRegistered(pid: number): boolean {
  const available = readFileSync('/proc/sys/net/ipv4/tcp_available_congestion_control', 'latin1');
  return available.trim().split(' ').includes(congestionControl(pid));
}

async function works(
  { event, kind }: LinkCase,
  programId: number,
  pid: number = process.pid,
): Promise<boolean | undefined> {
  if (kind === 'struct_ops') return isRegistered(pid);
  return event === undefined ? undefined : fires(event, programId);
}

async function attach(example: LinkCase): Promise<Attached> {
  const made = await example.attach(places);
  attached.push(made);
  return made;
}

function keep<L extends Link>(link: L): L {
  opened.push(link);
  return link;
}

/** The descriptor of this process that is of a link. */
function descriptorOf(linkId: number): number {
  const found = readdirSync('/proc/self/fd').find((name) => {
    const file = `/proc/self/fdinfo/${name}`;
    return existsSync(file) && new RegExp(`^link_id:\\s+${linkId}$`, 'm').test(readFileSync(file, 'utf8'));
  });
  return Number(found ?? -1);
}

const isThere = (linkId: number): boolean => listLinks().some(({ id }) => id === linkId);

describe.each(linkCases)('a link of a $name', (example) => {
  const { name, possible, need, kind, linkClass, detaches } = example;
  const rule = testIf(possible, need);

  rule('is told, listed and closed, more than once', async () => {
    const { link } = await attach(example);
    const info = link.info();
    expect(info.kind).toBe(kind);
    expect(link).toBeInstanceOf(linkClass);
    expect(listLinks()).toContainEqual(info);
    expect(await works(example, info.programId)).not.toBe(false);
    await Promise.all([link.close(), link.close()]);
    await link.close();
    expect(link.closed).toBe(true);
    await until(() => !isThere(info.id));
    expect(await works(example, info.programId)).not.toBe(true);
    expect(() => link.info()).toThrow(expect.objectContaining({ code: 'ERR_EBPF_CLOSED' }) as Error);
  });

  rule('is pinned, opened again by pin, id and descriptor, and unpinned', async () => {
    const { link } = await attach(example);
    const { id, programId } = link.info();
    const path = join(pins.path, name.replaceAll(' ', '-'));
    link.pin(path);
    expect(link.pins).toEqual([path]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await link.close();
    expect(await works(example, programId)).not.toBe(false);

    const again = keep(Link.open(path));
    expect(again.constructor).toBe(linkClass);
    expect(again.pins).toEqual([path]);
    expect(again.info()).toMatchObject({ id, programId, kind });
    const byId = keep(linkClass.open({ id }));
    const byDescriptor = keep(Link.open({ descriptor: descriptorOf(id) }));
    for (const same of [byId, byDescriptor]) expect([same.info().id, same.pins]).toEqual([id, []]);
    const wrong: typeof Link = linkClass === RawTracepointLink ? NetworkNamespaceLink : RawTracepointLink;
    expect(() => wrong.open(path)).toThrow(
      `it is a link of type ${kind}, not a ${wrong.name}; ask for ${linkClass.name}`,
    );

    again.unpin();
    expect(existsSync(path)).toBe(false);
    for (const each of [again, byId]) await each.close();
    expect(await works(example, programId)).not.toBe(false);
    await byDescriptor.close();
    await until(() => !isThere(id));
    expect(await works(example, programId)).not.toBe(true);
  });

  rule('is replaced where the kernel can', async () => {
    const { link, other } = await attach(example);
    const { id, programId } = link.info();
    const again = keep(Link.open({ id }));
    if (other === undefined) {
      expect(again).not.toBeInstanceOf(UpdatableLink);
      return;
    }
    if (!(again instanceof UpdatableLink)) throw new Error(`${again.constructor.name} cannot be updated`);
    await again.update(other);
    const next = other.info().id;
    expect(again.program).toBe(other.name);
    expect(link.info()).toMatchObject({ id, programId: next });
    expect(await works(example, programId)).not.toBe(true);
    expect(await works(example, next)).not.toBe(false);
  });

  rule('is detached, for everyone where the kernel can', async () => {
    const { link } = await attach(example);
    const { id, programId } = link.info();
    const path = join(pins.path, `${name.replaceAll(' ', '-')}-detached`);
    link.pin(path);
    const other = keep(Link.open({ id }));
    await link.detach();
    await link.detach();
    expect(existsSync(path)).toBe(false);
    expect(other.info().id).toBe(id);
    const expected = example.event === undefined && kind !== 'struct_ops' ? undefined : !detaches;
    expect(await works(example, programId)).toBe(expected);
    await other.detach();
    await until(() => !isThere(id));
  });
});

test('links outlive their process by their pins', async () => {
  const examples = linkCases.filter(({ possible }) => possible);
  const args = [pins.path, places.network, places.cgroup, String(process.pid)];
  const { code, stdout, stderr } = await runChild(join(__dirname, 'children', 'link-pins.ts'), args, {
    timeoutMs: 55_000,
  });
  expect(stderr).toBe('');
  expect(code).toBe(0);
  const made = JSON.parse(stdout) as { pid: number; links: Record<string, { id: number; programId: number }> };
  expect(Object.keys(made.links)).toEqual(examples.map(({ name }) => name));
  for (const example of examples) {
    const path = join(pins.path, `outlives-${example.name.replaceAll(' ', '-')}`);
    const link = keep(example.linkClass.open(path));
    const { id, programId } = link.info();
    expect({ id, programId }).toEqual(made.links[example.name]);
    expect([example.name, await works(example, programId, made.pid)]).not.toEqual([example.name, false]);
    link.unpin();
    await link.close();
    await until(() => !isThere(id));
    expect([example.name, await works(example, programId, made.pid)]).not.toEqual([example.name, true]);
  }
}, 120_000);

describe('open', () => {
  test('says what there is not', () => {
    const folder = pins.path;
    expect(() => Link.open(join(folder, 'none'))).toThrow(expect.objectContaining({ errnoName: 'ENOENT' }) as Error);
    expect(() => Link.open({ id: 0xffff_ff00 })).toThrow(expect.objectContaining({ errnoName: 'ENOENT' }) as Error);
    expect(() => Link.open({ descriptor: 0 })).toThrow(/^descriptor: 0 is a .*, not a link$/);
    expect(() => Link.open({} as never)).toThrow('source: must be the path of a pin, { id } or { descriptor }, not {}');
  });

  test('leaves a pin that someone else removed', async () => {
    const [first] = linkCases;
    if (first === undefined) throw new Error('no cases');
    const { link } = await attach(first);
    const path = join(pins.path, 'removed');
    link.pin(path);
    const again = keep(Link.open(path));
    link.unpin(path);
    again.unpin();
    expect(again.pins).toEqual([]);
    let refused: unknown;
    try {
      again.unpin(path);
    } catch (error) {
      refused = error;
    }
    expect(EbpfError.is(refused) && refused.code).toBe('ERR_EBPF_NOT_FOUND');
  });
});
