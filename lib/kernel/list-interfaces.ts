import { listInterfaces as listAll, type NetworkInterface } from '../sys/index.js';

import { openNetworkNamespace, type NetworkNamespaceSource } from './open-network-namespace.js';

/**
 * The network interfaces of this process's network namespace, or of another one, each with its index, by which maps and
 * programs know it.
 *
 * @throws {@link UsageError} when there is no such namespace; {@link KernelError}.
 *
 * @example
 * ```js
 * const names = new Map((await listInterfaces()).map(({ index, name }) => [index, name]));
 * ```
 */
export async function listInterfaces(
  options: { readonly netns?: NetworkNamespaceSource | undefined } = {},
): Promise<readonly NetworkInterface[]> {
  const { netns } = options;
  const networkNamespace = netns === undefined ? undefined : openNetworkNamespace(netns);
  try {
    return await listAll(networkNamespace);
  } finally {
    networkNamespace?.close();
  }
}
