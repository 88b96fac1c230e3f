import { constants } from 'node:os';

import { BpfCommand, IterCreateAttr } from '../abi/index.js';
import { KernelError, UsageError } from '../errors/index.js';
import { addon, completed } from './addon.js';
import { AttributeWriter } from './attribute-writer.js';
import { bpfAsync } from './bpf-call.js';
import { Handle } from './handle.js';
import { trace } from './trace.js';

const EAGAIN = -constants.errno.EAGAIN;
const noPatches = new Float64Array(0);

/** Starts over what the link of an iterator goes: a descriptor to read once. BPF_ITER_CREATE, off the event loop. */
export async function createIterator(link: Handle): Promise<Handle> {
  const attr = new AttributeWriter(IterCreateAttr).handle('link_fd', link);
  const token = await bpfAsync(BpfCommand.ITER_CREATE, attr, `start the iterator of ${link.describe()}`);
  return new Handle('iterator', token, link.name);
}

/** Reads what the iterator's program writes next into `buffer`, off the event loop; 0 when all was gone over. */
export async function readIterator(iterator: Handle, buffer: Uint8Array): Promise<number> {
  for (;;) {
    if (iterator.closed) throw UsageError.closed(iterator.describe());
    const { token } = iterator;
    const native = addon();
    const result = await completed((completion) => native.iteratorRead(token, [buffer], noPatches, completion));
    trace('read(iterator)', result);
    // After a million objects of which the program wrote nothing (bpf_seq_read of kernel/bpf/bpf_iter.c).
    if (result === EAGAIN) continue;
    if (result < 0) throw new KernelError(`read ${iterator.describe()}`, 'read', result);
    return result;
  }
}
