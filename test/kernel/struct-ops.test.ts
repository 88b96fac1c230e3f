// Structures of operations: congestion controls that are registered under names of this process and never used.
import { existsSync, readFileSync } from 'node:fs';

import {
  Ebpf,
  KernelError,
  MapFlag,
  ObjectSpec,
  StructOps,
  StructOpsLink,
  UnsupportedError,
  UsageError,
} from '../../lib/index.js';
import { hasJit } from '../helpers/kernel-symbols.js';
import { rawArguments, sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const vmlinux = '/sys/kernel/btf/vmlinux';
const types = existsSync(vmlinux) ? readFileSync(vmlinux, 'latin1') : '';
const hasLinks =
  hasJit && types.includes('\0bpf_struct_ops_link\0') && types.includes('\0bpf_struct_ops_tcp_congestion_ops\0');

/** The object, with one map and a name that no other process uses. */
function objectWith(map: string, name: string): ObjectSpec {
  const spec = ObjectSpec.parse(new Uint8Array(readFileSync(sample('struct_ops'))), { name: 'struct_ops.bpf.o' });
  for (const each of spec.maps.values()) each.autoCreate = each.name === map;
  spec.structOps(map).set('name', name);
  return spec;
}

function available(): string[] {
  return readFileSync('/proc/sys/net/ipv4/tcp_available_congestion_control', 'latin1').trim().split(' ');
}

const name = `ne${process.pid}`;

testIf(hasLinks, 'links of struct_ops')(
  'a structure is registered until its link is closed, again and again',
  async () => {
    await using ebpf = await Ebpf.load(objectWith('linked', name));
    expect(ebpf.programs.map((program) => program.name)).toEqual(['half', 'grow', 'undo', 'only_linked']);
    const map = ebpf.map('linked', StructOps);
    expect(map.flags).toBe(MapFlag.LINK);
    expect(available()).not.toContain(name);
    for (let round = 0; round < 2; round++) {
      const link = await map.attach();
      expect(link).toBeInstanceOf(StructOpsLink);
      expect(available()).toContain(name);
      expect(ebpf.links).toEqual([link]);
      expect(link.survivesProcess).toBe(false);
      expect(link.info()).toMatchObject({ type: 9 });
      await expect(map.attach()).rejects.toThrow(UsageError);
      await link.close();
      expect(available()).not.toContain(name);
      expect(ebpf.links).toEqual([]);
    }
  },
);

testIf(hasLinks, 'links of struct_ops')('a structure takes the place of another one', async () => {
  await using older = await Ebpf.load(objectWith('linked', name));
  await using newer = await Ebpf.load(objectWith('linked', name));
  await using other = await Ebpf.load(objectWith('linked', `${name}x`));
  const link = await older.map('linked', StructOps).attach();
  const map = newer.map('linked', StructOps);
  await link.update(map);
  expect(link.info()).toMatchObject({ mapId: map.info().id });
  expect([older.links, newer.links]).toEqual([[], [link]]);
  // The older one is free again, the newer one attached by the link that it was given.
  await expect(map.attach()).rejects.toMatchObject({ code: 'ERR_EBPF_BUSY' });
  await expect(link.update(other.map('linked', StructOps))).rejects.toMatchObject({ path: 'structure' });
  await link.update(older.map('linked', StructOps));
  await newer.close();
  expect(available()).toContain(name);
  await link.close();
  expect(available()).not.toContain(name);
});

testIf(hasLinks, 'links of struct_ops')('without a link it is registered until it is detached', async () => {
  await using ebpf = await Ebpf.load(objectWith('registered', name));
  expect(ebpf.programs.map((program) => program.name)).toEqual(['half', 'grow', 'undo']);
  const link = await ebpf.map('registered', StructOps).attach();
  expect(available()).toContain(name);
  expect(link.survivesProcess).toBe(true);
  expect(() => link.info()).toThrow(UnsupportedError);
  expect(() => {
    link.pin('/sys/fs/bpf/never');
  }).toThrow('put it into the section ".struct_ops.link"');
  await link.close();
  expect(available()).not.toContain(name);
});

testIf(hasLinks, 'links of struct_ops')('closing the object unregisters', async () => {
  for (const map of ['linked', 'registered']) {
    const ebpf = await Ebpf.load(objectWith(map, name));
    await ebpf.map(map, StructOps).attach();
    expect(available()).toContain(name);
    await ebpf.close();
    expect(available()).not.toContain(name);
  }
});

testIf(hasLinks, 'links of struct_ops')('a map that is closed too early can still be detached', async () => {
  await using ebpf = await Ebpf.load(objectWith('registered', name));
  const map = ebpf.map('registered', StructOps);
  const link = await map.attach();
  map.close();
  expect(available()).toContain(name);
  await link.close();
  expect(available()).not.toContain(name);
  expect(map.closed).toBe(true);
});

testIf(hasLinks, 'links of struct_ops')('members of other kernels are left out with their programs', async () => {
  await using ebpf = await Ebpf.load(objectWith('flavoured', name));
  expect(ebpf.programs.map((program) => program.name)).toEqual(['half', 'grow', 'undo']);
  await using link = await ebpf.map('flavoured', StructOps).attach();
  expect(link.target).toBe('struct_ops flavoured');
  expect(available()).toContain(name);
});

testIf(hasLinks, 'links of struct_ops')('the kernel says why it does not take a structure', async () => {
  const spec = objectWith('linked', name);
  spec.map('linked').operations.delete('ssthresh');
  await using ebpf = await Ebpf.load(spec);
  expect(ebpf.programs.map((program) => program.name)).toEqual(['grow', 'undo', 'only_linked']);
  const refused = ebpf.map('linked', StructOps).attach();
  await expect(refused).rejects.toThrow(KernelError);
  await expect(refused).rejects.toMatchObject({ errnoName: 'EINVAL' });
  expect(ebpf.links).toEqual([]);
});

testIf(hasLinks, 'links of struct_ops')('what a structure names can be changed before the load', async () => {
  const spec = objectWith('linked', name);
  spec.map('linked').operations.set('undo_cwnd', 'half');
  await expect(Ebpf.load(spec)).rejects.toThrow('program "half" implements another member already');
  spec.map('linked').operations.set('undo_cwnd', 'gone');
  await expect(Ebpf.load(spec)).rejects.toThrow(UsageError);
});

/** Those that users without privileges may choose: with the flag TCP_CONG_NON_RESTRICTED. */
function allowed(): string[] {
  return readFileSync('/proc/sys/net/ipv4/tcp_allowed_congestion_control', 'latin1').trim().split(' ');
}

testIf(hasLinks, 'links of struct_ops')('members are set by name before the load', async () => {
  const spec = objectWith('linked', name);
  const TCP_CONG_NON_RESTRICTED = 1;
  spec.structOps('linked').set('name', `${name}m`).set('flags', TCP_CONG_NON_RESTRICTED).set('release', undefined);
  await using ebpf = await Ebpf.load(spec);
  expect(ebpf.programs.map((program) => program.name)).toEqual(['half', 'grow', 'undo']);
  const link = await ebpf.map('linked', StructOps).attach();
  expect(available()).toContain(`${name}m`);
  expect(allowed()).toContain(`${name}m`);
  await link.close();
  expect(allowed()).not.toContain(`${name}m`);
});

testIf(hasLinks, 'links of struct_ops')('members are given to the load', async () => {
  const spec = objectWith('linked', name);
  const load = async (members: object): Promise<Ebpf> =>
    Ebpf.load(spec, { maps: { linked: { members: { ...members } } } });
  await using ebpf = await load({ name: `${name}o`, release: undefined });
  await using link = await ebpf.map('linked', StructOps).attach();
  expect(link.target).toBe('struct_ops linked');
  expect(available()).toContain(`${name}o`);
  expect(allowed()).not.toContain(`${name}o`);
  await expect(load({ name: 'sixteen letters.' })).rejects.toMatchObject({ path: 'maps.linked.name' });
  await expect(load({ flag: 1 })).rejects.toMatchObject({ code: 'ERR_EBPF_NOT_FOUND', suggestions: ['flags'] });
  // bpf_tcp_ca_init_member of net/ipv4/bpf_tcp_ca.c looks at each.
  await using odd = await load({ flags: 0x80 });
  await expect(odd.map('linked', StructOps).attach()).rejects.toMatchObject({ errnoName: 'EINVAL' });
});

testIf(hasLinks && types.includes('\0bpf_struct_ops_bpf_dummy_ops\0'), 'links of struct_ops')(
  'a program of a structure can be test-run',
  async () => {
    const spec = ObjectSpec.parse(new Uint8Array(readFileSync(sample('struct_ops'))));
    for (const each of spec.maps.values()) each.autoCreate = each.name === 'dummy';
    await using ebpf = await Ebpf.load(spec);
    const { returnValue } = await ebpf.program('answer').testRun({ context: rawArguments(0) });
    expect(returnValue).toBe(42);
    const attachment = await ebpf.attach();
    expect(attachment.unattached.map(({ reason }) => reason)).toEqual([
      'its map attaches it: ebpf.map(name, StructOps).attach()',
    ]);
    // No kernel registers this one.
    await expect(ebpf.map('dummy', StructOps).attach()).rejects.toThrow(KernelError);
  },
);
