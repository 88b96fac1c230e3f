// Who is whose child, for as long as they run: what is kept of a process that ended is its name in its children's ancestry.
import { readdirSync, readFileSync } from 'node:fs';

const mostAncestors = 8;
const mostContainers = 1000;

interface Process {
  name: string;
  /** `name(pid)`, the parent first. */
  readonly ancestry: readonly string[];
}

export class Processes {
  readonly #running = new Map<number, Process>();
  readonly #containers = new Map<bigint, string | null>();

  /** Those that run already. */
  constructor() {
    for (const name of readdirSync('/proc')) if (/^\d+$/u.test(name)) this.#find(Number(name));
  }

  forked(parent: number, child: number): void {
    const known = this.#find(parent);
    this.#running.set(child, { name: known?.name ?? '', ancestry: ancestryBelow(parent, known) });
  }

  executed(pid: number, name: string): void {
    const found = this.#find(pid);
    if (found !== undefined) found.name = name;
  }

  exited(pid: number): void {
    this.#running.delete(pid);
  }

  ancestryOf(pid: number): readonly string[] {
    return this.#find(pid)?.ancestry ?? [];
  }

  /** The container that a cgroup belongs to, by the names that Docker, containerd, CRI-O and Podman give theirs. */
  containerOf(cgroup: bigint, pid: number): string | undefined {
    let container = this.#containers.get(cgroup);
    if (container === undefined) {
      const path = read(`/proc/${pid}/cgroup`);
      container = path === undefined ? null : (/[0-9a-f]{64}/u.exec(path)?.[0] ?? null);
      if (this.#containers.size >= mostContainers) this.#containers.clear();
      this.#containers.set(cgroup, container);
    }
    return container ?? undefined;
  }

  /** A process that was not seen to begin is asked for its parents. */
  #find(pid: number, depth = 0): Process | undefined {
    const known = this.#running.get(pid);
    if (known !== undefined || pid === 0 || depth > mostAncestors) return known;
    // The name may hold anything, parentheses too.
    const [, name = '', parent = '0'] = /^\d+ \((.*)\) \S (\d+)/su.exec(read(`/proc/${pid}/stat`) ?? '') ?? [];
    if (name === '') return undefined;
    const found = { name, ancestry: ancestryBelow(Number(parent), this.#find(Number(parent), depth + 1)) };
    this.#running.set(pid, found);
    return found;
  }
}

function ancestryBelow(pid: number, process: Process | undefined): readonly string[] {
  return process === undefined ? [] : [`${process.name}(${pid})`, ...process.ancestry].slice(0, mostAncestors);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
