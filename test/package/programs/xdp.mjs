// Attaches a program of xdp.bpf.o, which is given, to the interface `left`, and prints how that ended.
import { Ebpf, Xdp } from 'node-ebpf';

const [object] = process.argv.slice(2);
try {
  const ebpf = await Ebpf.load(object);
  const link = await ebpf.program('decide', Xdp).attach({ interface: 'left' });
  console.log(JSON.stringify({ name: 'attached', info: link.info() }));
  await ebpf.close();
} catch (error) {
  console.log(
    JSON.stringify({ name: error.name, code: error.code, obstacles: error.obstacles, message: error.message }),
  );
}
