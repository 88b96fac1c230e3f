import { escapeControl, UsageError, quote } from '../errors/index.js';
import { cgroupFailure, openCgroup, type CgroupSource } from '../kernel/index.js';
import { CgroupLink } from '../links/index.js';
import { createLink } from '../sys/index.js';

import { attachFailure } from './attach-failure.js';
import { Program, type AttachOptions } from './program.js';

/** Where {@link CgroupProgram.attach} attaches. */
export interface CgroupAttachOptions extends AttachOptions {
  /** The path of the cgroup's directory in a cgroup2 file system, or that directory, open. */
  readonly cgroup: CgroupSource;
}

/** What the programs of cgroups have in common: {@link CgroupSkb}, {@link CgroupSock} and the others that extend it. */
export class CgroupProgram extends Program {
  /**
   * Attaches to a cgroup: the program runs for it and for those below it, beside programs that are attached there already.
   * A socket belongs to the cgroup of the process that made it, when it made it.
   *
   * @throws {@link UsageError} when there is no such cgroup; {@link PermissionError} without CAP_NET_ADMIN and CAP_BPF;
   * {@link KernelError} EPERM too when a program that was attached with exclusive rights is in the way.
   */
  override async attach(options: CgroupAttachOptions): Promise<CgroupLink> {
    const { signal, cgroup } = requireCgroup(options, this.name);
    signal?.throwIfAborted();
    const target = `${this.section} of cgroup ${typeof cgroup === 'string' ? escapeControl(cgroup) : 'given open'}`;
    const program = this.handle;
    const directory = openCgroup(cgroup);
    try {
      const handle = await createLink({ program, target: directory, attachType: this.attachType });
      return await this.attached(CgroupLink, handle, target, signal);
    } catch (error) {
      throw attachFailure(cgroupFailure(error, cgroup), this.name, target, ['CAP_NET_ADMIN', 'CAP_BPF']);
    } finally {
      directory.close();
    }
  }

  protected override sectionObstacle(): string | undefined {
    return 'its section names no cgroup';
  }
}

function requireCgroup(options: CgroupAttachOptions | undefined, program: string): CgroupAttachOptions {
  if (options?.cgroup !== undefined) return options;
  throw UsageError.invalidValue(
    'cgroup',
    `program ${quote(program)} needs one: attach({ cgroup: '/sys/fs/cgroup/…' })`,
  );
}
