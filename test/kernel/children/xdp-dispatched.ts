// Run by xdp-dispatcher.test.ts: adds a program to the dispatcher of an interface and ends without taking it off.
import { Ebpf, Xdp, XdpDispatcher } from '../../../lib/index.js';
import { sample } from '../../helpers/samples.js';

async function main([netns, bpffs]: readonly string[]): Promise<void> {
  const ebpf = await Ebpf.load(sample('xdp_dispatched'), { dispatched: ['first'] });
  const dispatcher = new XdpDispatcher({ interface: 'right', netns, bpffs });
  await dispatcher.attach(ebpf.program('first', Xdp), { priority: 7 });
  console.log(ebpf.program('first').info().id);
  process.exit();
}

void main(process.argv.slice(2));
