// Loads and attaches an object, which is given, and prints how that ended.
import { Ebpf } from 'node-ebpf';

const [object] = process.argv.slice(2);
try {
  const ebpf = await Ebpf.load(object);
  await ebpf.attach();
  await ebpf.close();
  console.log(JSON.stringify({ name: 'attached' }));
} catch (error) {
  // attach() names the program that failed; the cause is what its own attach says.
  const { name, code, obstacles, message } = error.name === 'AttachError' ? error.cause : error;
  console.log(JSON.stringify({ name, code, obstacles, message }));
}
