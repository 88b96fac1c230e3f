// Cgroups that tests make for themselves.
import { mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where the machine has its cgroup2 file system. */
export function cgroupRoot(): string {
  const found = /^\S+ (\S+) cgroup2 /mu.exec(readFileSync('/proc/mounts', 'utf8'))?.[1];
  if (found === undefined) throw new Error('no cgroup2 file system is mounted');
  return found;
}

/** A cgroup without processes, for one test. */
export class TestCgroup {
  readonly path: string;
  readonly #root: string = cgroupRoot();
  readonly #home: string;

  /** Below another one, or beside this process, where it may move to and come back from. */
  constructor(name = 'test', parent?: TestCgroup) {
    this.#home = join(this.#root, /^0::(.*)$/mu.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/');
    this.path = join(parent?.path ?? this.#home, `node-ebpf-${name}-${process.pid}`);
    mkdirSync(this.path);
  }

  /** The kernel's number of it, which is its directory's inode. */
  get id(): bigint {
    return statSync(this.path, { bigint: true }).ino;
  }

  /** Runs `body` with this process in the cgroup. */
  async within<T>(body: () => T | Promise<T>): Promise<T> {
    writeFileSync(join(this.path, 'cgroup.procs'), String(process.pid));
    try {
      return await body();
    } finally {
      writeFileSync(join(this.#home, 'cgroup.procs'), String(process.pid));
    }
  }

  close(): void {
    rmdirSync(this.path);
  }
}
