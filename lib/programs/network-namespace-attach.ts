import type { AttachType } from '../abi/index.js';
import { EbpfError, UsageError } from '../errors/index.js';
import { networkNamespaceWords, openNetworkNamespace, type NetworkNamespaceSource } from '../kernel/index.js';
import { createLink, queryPrograms, type AttachedProgram, type Handle } from '../sys/index.js';

const ownNetworkNamespace = '/proc/self/ns/net';

/** Which network namespace. */
export interface NetworkNamespaceOptions {
  /** `/run/netns/<name>`, `/proc/<pid>/ns/net`, or such a file, open. Default: the one of this process. */
  readonly netns?: NetworkNamespaceSource | undefined;
}

/** `sk_lookup /run/netns/web`, for people. */
export function networkNamespaceTarget(kind: string, { netns = ownNetworkNamespace }: NetworkNamespaceOptions): string {
  return `${kind} ${networkNamespaceWords(netns)}`;
}

/** Attaches a program to a network namespace by a link. */
export async function attachToNetworkNamespace(
  program: Handle,
  attachType: AttachType,
  options: NetworkNamespaceOptions,
): Promise<Handle> {
  return withNetworkNamespace(options, async (target) => createLink({ program, target, attachType }));
}

/** The programs of a kind that are attached to a network namespace, in their order. */
export async function queryNetworkNamespace(
  attachType: AttachType,
  options: NetworkNamespaceOptions,
): Promise<readonly AttachedProgram[]> {
  return withNetworkNamespace(options, async (target) => (await queryPrograms({ target, attachType })).programs);
}

async function withNetworkNamespace<Result>(
  { netns = ownNetworkNamespace }: NetworkNamespaceOptions,
  use: (space: Handle) => Promise<Result>,
): Promise<Result> {
  const space = openNetworkNamespace(netns);
  try {
    return await use(space);
  } catch (error) {
    // get_net_ns_by_fd: the file is something else.
    if (!EbpfError.is(error) || error.errnoName !== 'EINVAL') throw error;
    throw UsageError.invalidValue('netns', `${networkNamespaceWords(netns)} is no network namespace`, { cause: error });
  } finally {
    space.close();
  }
}
