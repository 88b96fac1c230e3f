import { AttachType, MapType, ProgramType } from '../../../lib/abi/index.js';
import { toCreateMap, toLoadBtf, toLoadProgram } from '../../../lib/kernel/delegation-needs.js';
import { notDelegated, noteTokenPath } from '../../../lib/kernel/token-delegation.js';

const token = {};
noteTokenPath(token, '/mnt/a b/');

function mounted(...options: string[]): string {
  return [
    'proc /proc proc rw 0 0',
    'bpf /sys/fs/bpf bpf rw 0 0',
    ...options.map((each) => `bpf /mnt/a\\040b bpf rw,${each} 0 0`),
  ].join('\n');
}

const place = 'the BPF file system "/mnt/a b/" does not delegate';

test('what is delegated by name, by number or as all is', () => {
  const names = 'delegate_cmds=map_create:prog_load,delegate_maps=hash:0x8000000';
  expect(notDelegated(token, toCreateMap(MapType.HASH), mounted(names))).toEqual([]);
  expect(notDelegated(token, toCreateMap(MapType.RINGBUF), mounted(names))).toEqual([]);
  const all = 'delegate_cmds=any,delegate_maps=any,delegate_progs=any,delegate_attachs=any';
  expect(notDelegated(token, toLoadProgram(ProgramType.XDP, AttachType.XDP), mounted(all))).toEqual([]);
  expect(notDelegated(token, toLoadBtf, mounted(all))).toEqual([]);
});

test('what is not is told, of the file system that lies on top', () => {
  const few = 'delegate_cmds=prog_load,delegate_progs=xdp:0x4';
  expect(notDelegated(token, toLoadProgram(ProgramType.XDP, 0), mounted('delegate_cmds=any', few))).toEqual([
    `${place} programs of the attach type cgroup_inet_ingress (mount option delegate_attachs)`,
  ]);
  expect(notDelegated(token, toCreateMap(MapType.ARRAY), mounted(few))).toEqual([
    `${place} the command map_create (mount option delegate_cmds)`,
    `${place} maps of type array (mount option delegate_maps)`,
  ]);
  expect(notDelegated(token, toCreateMap(1000), mounted('delegate_cmds=any,delegate_maps=array'))).toEqual([
    `${place} maps of type 1000 (mount option delegate_maps)`,
  ]);
});

test('where the mount is not to be seen nobody can tell', () => {
  expect(notDelegated(token, toLoadBtf, 'bpf /sys/fs/bpf bpf rw 0 0')).toBeUndefined();
  expect(notDelegated({}, toLoadBtf, mounted('delegate_cmds=any'))).toBeUndefined();
});
