import { BpfCommand, BtfLoadAttr } from '../abi/index.js';
import { KernelError } from '../errors/index.js';
import { AttributeWriter, Direction } from './attribute-writer.js';
import { commandName, tryBpfAsync } from './bpf-call.js';
import { Handle } from './handle.js';
import { withKernelLog } from './kernel-log.js';
import { flagsWithToken } from './map-calls.js';

/**
 * Loads BTF in the machine's byte order, off the event loop, by a BPF token if there is one. Rejects with KernelError that ends
 * in the kernel's log.
 */
export async function loadBtf(bytes: Uint8Array, right?: Handle): Promise<Handle> {
  const token = await tryBpfAsync(BpfCommand.BTF_LOAD, attributes(bytes, right));
  if (token >= 0) return new Handle('btf', token);
  const again = await withKernelLog(async (log) => {
    const attr = attributes(bytes, right)
      .pointer('btf_log_buf', log, Direction.FROM_KERNEL, 'btf_log_size')
      .number('btf_log_level', 1);
    const result = await tryBpfAsync(BpfCommand.BTF_LOAD, attr);
    return { result, trueSize: attr.read('btf_log_true_size') };
  });
  if (again.result >= 0) return new Handle('btf', again.result);
  const reasons = again.log.trimEnd().split('\n').slice(-3).join(' | ');
  throw new KernelError(
    'load BTF',
    commandName(BpfCommand.BTF_LOAD),
    token,
    reasons === '' ? {} : { advice: `the kernel says: ${reasons}` },
  );
}

function attributes(bytes: Uint8Array, right: Handle | undefined): AttributeWriter<keyof typeof BtfLoadAttr.fields> {
  return new AttributeWriter(BtfLoadAttr)
    .pointer('btf', bytes, Direction.TO_KERNEL, 'btf_size')
    .number('btf_flags', flagsWithToken(undefined, right))
    .handle('btf_token_fd', right);
}
