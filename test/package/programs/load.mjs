// Loads and attaches an object, which is given, and prints how that ended.
import { Ebpf } from 'node-ebpf';

const [object] = process.argv.slice(2);
try {
  const ebpf = await Ebpf.load(object);
  await ebpf.attach();
  await ebpf.close();
  console.log(JSON.stringify({ name: 'attached' }));
} catch (error) {
  console.log(
    JSON.stringify({ name: error.name, code: error.code, obstacles: error.obstacles, message: error.message }),
  );
}
