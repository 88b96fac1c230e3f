// Loads an object with CO-RE relocations where /sys/kernel/btf is empty: with what is found, then with a given file.
import { Ebpf, EbpfError, type LoadOptions } from '../../../lib/index.js';

async function load(what: string, object: string, options: LoadOptions): Promise<void> {
  try {
    await (await Ebpf.load(object, options)).close();
    console.log(`${what}: loaded`);
  } catch (error) {
    console.log(`${what}: ${EbpfError.is(error) ? error.code : String(error)}`);
  }
}

async function main(): Promise<void> {
  const [, , object = '', kernelBtf = ''] = process.argv;
  await load('without', object, {});
  await load('with a file', object, { kernelBtf });
}

void main();
