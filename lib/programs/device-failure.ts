import { KernelError, UnsupportedError, quote, type EbpfError } from '../errors/index.js';
import { kernelFunctionNames } from '../kernel/index.js';

import type { LoadDevice } from './program-device.js';

/** A function of the kernel that came with programs that are bound to an interface. */
const ofBound = 'bpf_xdp_metadata_rx_timestamp';

/** Why a program was not loaded for an interface, where the verifier had nothing to say: what its driver can do. */
export async function deviceFailure(program: string, device: LoadDevice, cause: KernelError): Promise<EbpfError> {
  const { errno, errnoName, syscall } = cause;
  const { mode, words } = device;
  const what = `load program ${quote(program)} for ${words}`;
  const refused = errnoName === 'EINVAL' || errnoName === 'ENOTSUP';
  if (!refused) return new KernelError(what, syscall, errno, { cause, advice: 'its driver gave no reason' });
  if (mode === 'offload') {
    const problem = `the network card of ${words} runs no programs, or not ${quote(program)}, as its driver says`;
    return new UnsupportedError('XDP in the network card', problem, { cause });
  }
  const feature = 'XDP programs that are bound to an interface';
  if (errnoName === 'ENOTSUP') {
    return new UnsupportedError(feature, `the driver of ${words} has no XDP of its own`, { cause });
  }
  const functions = await kernelFunctionNames();
  if (functions.length > 0 && !functions.includes(ofBound)) {
    return new UnsupportedError(feature, `this kernel has none; program ${quote(program)} needs Linux 6.3`, {
      since: '6.3',
      cause,
    });
  }
  return new KernelError(what, syscall, errno, { cause, advice: 'the kernel gave no reason' });
}
