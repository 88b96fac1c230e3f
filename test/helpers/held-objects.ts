import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Every descriptor and mapping of this process that keeps something of BPF alive, in words, keyed so that reuse is noticed. */
export function heldObjects(): Map<string, string> {
  const held = new Map<string, string>();
  for (const descriptor of readdirSync('/proc/self/fd')) {
    let target: string;
    let info: string;
    try {
      target = readlinkSync(`/proc/self/fd/${descriptor}`);
      if (!/^anon_inode:\[?(?:bpf|btf|perf_event)/u.test(target)) continue;
      info = readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8');
    } catch {
      // Closed while we looked, as the one of readdir itself always is.
      continue;
    }
    const facts = info
      .split('\n')
      .filter((line) => /^(?:map_type|map_id|prog_type|prog_id|link_type|link_id|btf_id|attach_type):/u.test(line))
      .map((line) => line.replace(/\s+/gu, ' '))
      .join(', ');
    held.set(`descriptor ${descriptor} ${target} ${facts}`, `${target} ${facts}`);
  }
  for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
    if (/anon_inode:\[?(?:bpf|perf_event)/u.test(line))
      held.set(`mapping ${line}`, `mapping ${line.replace(/\s+/gu, ' ')}`);
  }
  return held;
}
