import { UsageError, escapeControl } from '../errors/index.js';
import { networkNamespaceWords, type NetworkNamespaceSource } from '../kernel/index.js';

/** Which network interface. */
export interface InterfaceOptions {
  /** Its name or its index. */
  readonly interface: string | number;
  /**
   * The network namespace that has the interface: `/run/netns/<name>`, `/proc/<pid>/ns/net`, or such a file, open. Default: the
   * process's own. Needs CAP_SYS_ADMIN.
   */
  readonly netns?: NetworkNamespaceSource | undefined;
}

/** The interface that options name, also in words: `xdp veth0`. `kind` is what attaches there. */
export function interfaceTarget(
  kind: string,
  options: InterfaceOptions | undefined,
): InterfaceOptions & { readonly words: string } {
  // Also JavaScript calls it.
  const { interface: name, netns } = (options ?? {}) as Partial<InterfaceOptions>;
  if (name === undefined) throw UsageError.invalidValue('interface', "is missing; give attach({ interface: 'name' })");
  const where = netns === undefined ? '' : ` in ${networkNamespaceWords(netns)}`;
  return { interface: name, netns, words: `${kind} ${escapeControl(String(name))}${where}` };
}
