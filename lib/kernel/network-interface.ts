import { EbpfError, UsageError, quote } from '../errors/index.js';
import { findInterface, listInterfaces, type Handle } from '../sys/index.js';

import { networkNamespaceWords, openNetworkNamespace, type NetworkNamespaceSource } from './open-network-namespace.js';

/** A network interface of one network namespace, for as long as a call needs it. */
export interface InterfaceTarget {
  readonly index: number;
  /** Undefined: the process's own. */
  readonly networkNamespace: Handle | undefined;
}

/** IFNAMSIZ of include/uapi/linux/if.h, with the NUL. */
const nameSize = 16;

/**
 * Gives `use` the network interface of that name or index, in the network namespace of that file or, without one, of this
 * process.
 *
 * @throws {@link UsageError} when there is no such interface, with the nearest names; or no such namespace.
 */
export async function withInterface<Result>(
  wanted: string | number,
  netns: NetworkNamespaceSource | undefined,
  use: (target: InterfaceTarget) => Promise<Result>,
): Promise<Result> {
  requireInterface(wanted);
  const networkNamespace = netns === undefined ? undefined : openNetworkNamespace(netns);
  try {
    return await use({ index: await indexOf(wanted, netns, networkNamespace), networkNamespace });
  } finally {
    networkNamespace?.close();
  }
}

function requireInterface(wanted: unknown): void {
  if (typeof wanted === 'number') {
    if (Number.isInteger(wanted) && wanted > 0 && wanted <= 0x7fff_ffff) return;
    throw UsageError.invalidValue('interface', `must be an index from 1 on, not ${wanted}`);
  }
  if (typeof wanted !== 'string') throw UsageError.invalidValue('interface', 'must be a name or an index');
  if (wanted === '' || Buffer.byteLength(wanted) >= nameSize || wanted.includes('\0')) {
    throw UsageError.invalidValue('interface', `${quote(wanted)} is no name of an interface, of at most 15 bytes`);
  }
}

async function indexOf(
  wanted: string | number,
  netns: NetworkNamespaceSource | undefined,
  networkNamespace: Handle | undefined,
): Promise<number> {
  try {
    return (await findInterface(wanted, networkNamespace)).index;
  } catch (error) {
    if (!EbpfError.is(error)) throw error;
    if (error.syscall === 'setns' && error.errnoName === 'EINVAL') {
      const what = netns === undefined ? 'it' : networkNamespaceWords(netns);
      throw UsageError.invalidValue('netns', `${what} is no network namespace`, { cause: error });
    }
    if (error.errnoName !== 'ENODEV') throw error;
    if (typeof wanted === 'number') {
      throw UsageError.invalidValue('interface', `no network interface has the index ${wanted}`, { cause: error });
    }
    const names = (await listInterfaces(networkNamespace)).map(({ name }) => name);
    throw UsageError.notFound('network interface', wanted, names);
  }
}
