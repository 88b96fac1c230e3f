// What can be left in the kernel when a test, or its process, is gone: see kernel-watch.ts.
import { readdirSync, readFileSync, type Dirent } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { listIds, NetlinkFlag, NetlinkRequest, parseAttributes, routeRequest } from '../../lib/sys/index.js';

/** Set for everything that a watched run starts, so that also orphans are known for its own. */
export const runVariable = 'NODE_EBPF_TEST_RUN';

/** What there is now, in words, by keys that are never used again while the machine runs. */
export async function kernelState(): Promise<Map<string, string>> {
  const state = new Map<string, string>();
  const add = (key: string, words = key): void => {
    state.set(key, words);
  };
  for (const kind of ['link', 'program', 'map', 'btf'] as const) for (const id of listIds(kind)) add(`${kind} ${id}`);
  const mounts = listMounts();
  for (const { id, type, place } of mounts) {
    if (isOfTests(type, place)) add(`mount ${id} ${place}`, `file system ${type} mounted at ${place}`);
    if (type === 'bpf') for (const path of filesBelow(place)) add(`pin ${path}`);
  }
  addCgroups(mounts.find(({ type }) => type === 'cgroup2')?.place, add);
  for (const event of traceEvents()) add(event);
  for (const name of interfaces()) add(`network interface ${name}`);
  for (const [name, kind] of await queueingDisciplines()) add(`queueing discipline ${kind} of ${name}`);
  addProcesses(add);
  for (const name of settings) {
    const value = read(`/proc/sys/${name}`)?.trim();
    if (value !== undefined) add(`${name} = ${value}`, `the setting ${name.replaceAll('/', '.')} = ${value}`);
  }
  return state;
}

/** Settings that decide what tests see, and that some change. */
const settings = [
  'kernel/bpf_stats_enabled',
  'kernel/kptr_restrict',
  'kernel/perf_event_paranoid',
  'kernel/unprivileged_bpf_disabled',
  'net/core/bpf_jit_enable',
  'user/max_user_namespaces',
];

interface Mount {
  readonly id: string;
  readonly type: string;
  readonly place: string;
}

function listMounts(): Mount[] {
  const lines = (read('/proc/self/mountinfo') ?? '').trimEnd().split('\n');
  return lines.map((line) => {
    const [id = '', , , , place = '', ...rest] = line.split(' ');
    return { id, type: rest[rest.indexOf('-') + 1] ?? '', place };
  });
}

/** Others mount their own file systems meanwhile: container managers keep network namespaces so. */
function isOfTests(type: string, place: string): boolean {
  if (place.startsWith(`${tmpdir()}/`) || place.startsWith('/run/netns/')) return true;
  // The kernel mounts it where debugfs is, when somebody looks there.
  if (place === '/sys/kernel/debug/tracing') return false;
  return ['bpf', 'cgroup', 'cgroup2', 'debugfs', 'tracefs'].includes(type);
}

function filesBelow(folder: string): string[] {
  return entries(folder).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? [path, ...filesBelow(path)] : [path];
  });
}

/** Tests make them beside this process (cgroup.ts), where others are at home only if that is the root. */
function addCgroups(root: string | undefined, add: (key: string, words?: string) => void): void {
  const own = /^0::(.*)$/mu.exec(read('/proc/self/cgroup') ?? '')?.[1];
  if (root === undefined || own === undefined) return;
  add(`this process in cgroup ${own}`);
  const below = (folder: string, wanted: (name: string) => boolean): void => {
    for (const entry of entries(folder)) {
      if (!entry.isDirectory() || !wanted(entry.name)) continue;
      add(`cgroup ${join(folder, entry.name)}`);
      below(join(folder, entry.name), () => true);
    }
  };
  below(join(root, own), (name) => own !== '/' || name.startsWith('node-ebpf-'));
}

function traceEvents(): string[] {
  const folder = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing'].find((path) => entries(path).length > 0);
  if (folder === undefined) return [];
  const files = entries(folder).some(({ name }) => name === 'dynamic_events')
    ? ['dynamic_events']
    : ['kprobe_events', 'uprobe_events'];
  const lines = files.flatMap((name) => (read(join(folder, name)) ?? '').split('\n').filter((line) => line !== ''));
  const instances = entries(join(folder, 'instances')).map(({ name }) => `tracefs instance ${name}`);
  return [...lines.map((line) => `tracefs event ${line}`), ...instances];
}

/** Names that container and VM managers give to interfaces which they make. */
const ofManagers = /^(?:br-|cali|cni|docker|lxc|podman|tap|veth\w{6}|virbr|vnet)/u;

function interfaces(): string[] {
  // Unlike /sys/class/net always of this process's network namespace.
  const names = [...(read('/proc/net/dev') ?? '').matchAll(/^\s*([^\s:]+):/gmu)].map(([, name = '']) => name);
  return names.filter((name) => !ofManagers.test(name));
}

/** include/uapi/linux/rtnetlink.h: struct tcmsg follows the header, with the interface's index at byte 4. */
const RTM_GETQDISC = 38;
const TCMSG_SIZE = 20;
const TCA_KIND = 1;

/** Those that have room for BPF programs: others come and go with their interfaces. */
async function queueingDisciplines(): Promise<(readonly [string, string])[]> {
  const request = new NetlinkRequest(RTM_GETQDISC, NetlinkFlag.DUMP).fixed([0, 4], [0, 4], [0, 4], [0, 4], [0, 4]);
  const answer = await routeRequest(request, 'list queueing disciplines');
  return answer.flatMap(({ payload }) => {
    const kind = Buffer.from(parseAttributes(payload, TCMSG_SIZE).get(TCA_KIND) ?? [])
      .toString('latin1')
      .split('\0')[0];
    const index = new Int32Array(payload.slice(4, 8).buffer)[0] ?? 0;
    return kind === 'clsact' || kind === 'ingress' ? [[`network interface ${index}`, kind] as const] : [];
  });
}

function addProcesses(add: (key: string, words?: string) => void): void {
  const run = process.env[runVariable];
  for (const { name } of entries('/proc')) {
    if (!/^\d+$/u.test(name) || Number(name) === process.pid) continue;
    // "pid (command) state ppid … starttime", in which the command may have anything.
    const [, command = '', rest = ''] = /^\d+ \((.*)\) (.*)$/su.exec(read(`/proc/${name}/stat`) ?? '') ?? [];
    const fields = rest.split(' ');
    const isOurs =
      Number(fields[1]) === process.pid ||
      (run !== undefined && read(`/proc/${name}/environ`)?.includes(`${runVariable}=${run}\0`) === true);
    if (isOurs) add(`process ${name} ${fields[19] ?? ''}`, `process ${name} (${command})`);
  }
}

/** What is gone, or not this user's to read, is not there. */
function entries(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}
