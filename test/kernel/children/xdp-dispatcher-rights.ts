// Run by xdp-dispatcher.test.ts with all rights but CAP_SYS_ADMIN: tells what is in the way.
import { EbpfError, Ebpf, PermissionError, Xdp, XdpDispatcher } from '../../../lib/index.js';
import { sample } from '../../helpers/samples.js';

async function main([bpffs]: readonly string[]): Promise<void> {
  const ebpf = await Ebpf.load(sample('xdp_dispatched'), { dispatched: ['first'] });
  const dispatcher = new XdpDispatcher({ interface: 'right', bpffs });
  const error: unknown = await dispatcher.attach(ebpf.program('first', Xdp)).catch((reason: unknown) => reason);
  const obstacles = error instanceof PermissionError ? error.obstacles : [];
  console.log(JSON.stringify([EbpfError.is(error) ? error.message : 'attached', obstacles]));
  await ebpf.close();
}

void main(process.argv.slice(2));
