// Run by links.test.ts: attaches by a link of each type, pins the links, and ends without closing anything.
// usage: link-pins.ts <BPF file system> <network namespace> <cgroup> <process that is watched>
import { join } from 'node:path';

import { linkCases } from '../../helpers/link-cases.js';

const [folder = '', network = '', cgroup = '', watched = ''] = process.argv.slice(2);

async function main(): Promise<void> {
  const links: Record<string, { readonly id: number; readonly programId: number }> = {};
  for (const { name, possible, kind, attach } of linkCases) {
    if (!possible) continue;
    const pid = kind === 'struct_ops' ? process.pid : Number(watched);
    const { link } = await attach({ network, cgroup, pid });
    link.pin(join(folder, `outlives-${name.replaceAll(' ', '-')}`));
    const { id, programId } = link.info();
    links[name] = { id, programId };
  }
  console.log(JSON.stringify({ pid: process.pid, links }));
  process.exit();
}

void main();
