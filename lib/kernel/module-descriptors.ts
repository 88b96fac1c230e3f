import { EbpfError, UsageError, quote } from '../errors/index.js';
import { listIds, objectInfo, openById, type Handle } from '../sys/index.js';

import { explainPermission } from './explain-permission.js';

/** Descriptors of modules' BTF, opened when a program needs one and held until the load is over. */
export class ModuleDescriptors {
  readonly #handles = new Map<string, Handle>();

  /**
   * The BTF of a loaded module.
   *
   * @throws {@link UsageError} when the module is not loaded (any more); {@link PermissionError} without CAP_SYS_ADMIN, or
   * CAP_BPF from Linux 6.18 on.
   */
  open(module: string): Handle {
    const known = this.#handles.get(module);
    if (known !== undefined) return known;
    const found = find(module);
    if (found === undefined) {
      throw new UsageError(
        `module ${quote(module)} is not loaded any more: its BTF was there when the object was relocated`,
        { code: 'ERR_EBPF_NOT_FOUND' },
      );
    }
    this.#handles.set(module, found);
    return found;
  }

  close(): void {
    for (const handle of this.#handles.values()) handle.close();
    this.#handles.clear();
  }
}

function find(module: string): Handle | undefined {
  try {
    for (const id of listIds('btf')) {
      const handle = openOrMiss(id);
      if (handle === undefined) continue;
      const { kernel, name } = objectInfo(handle, 'btf');
      if (kernel && name === module) return handle;
      handle.close();
    }
    return undefined;
  } catch (error) {
    if (!EbpfError.is(error) || (error.errnoName !== 'EPERM' && error.errnoName !== 'EACCES')) throw error;
    throw explainPermission(error, {
      what: `open the BTF of module ${quote(module)}`,
      capabilities: ['CAP_SYS_ADMIN'],
    });
  }
}

/** Undefined for what has gone since it was listed. */
function openOrMiss(id: number): Handle | undefined {
  try {
    return openById('btf', id);
  } catch (error) {
    if (EbpfError.is(error) && error.errnoName === 'ENOENT') return undefined;
    throw error;
  }
}
