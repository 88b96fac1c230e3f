import { BpfCommand, TokenCreateAttr } from '../abi/index.js';
import { AttributeWriter } from './attribute-writer.js';
import { bpfAsync } from './bpf-call.js';
import { Handle } from './handle.js';

/** A token of what a BPF file system delegates, given its root, open. Linux 6.9. */
export async function createToken(fileSystem: Handle): Promise<Handle> {
  const attr = new AttributeWriter(TokenCreateAttr).handle('bpffs_fd', fileSystem);
  const what = `create a BPF token of ${fileSystem.describe()}`;
  return new Handle('other', await bpfAsync(BpfCommand.TOKEN_CREATE, attr, what), 'a BPF token');
}
