import { readdirSync, readlinkSync } from 'node:fs';

/** How many descriptors of this process are of BPF, perf events, epoll or eventfd: what the addon opens. */
export function openDescriptors(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const descriptor of readdirSync('/proc/self/fd')) {
    let target;
    try {
      target = readlinkSync(`/proc/self/fd/${descriptor}`);
    } catch {
      continue;
    }
    const name = /^anon_inode:\[?(bpf[-_]?[a-z]*|btf|perf_event|eventfd|eventpoll)/u.exec(target)?.[1];
    if (name !== undefined) counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}
