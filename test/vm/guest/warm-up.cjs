'use strict';

// Loads the published code and the tests' once, with a sample, and keeps what V8 compiled for all processes to come.
const sample = '/node-ebpf/bpf-samples/execsnoop.bpf.o';

async function warmUp(bundle, entry) {
  const { load, keep } = require(bundle);
  const { Ebpf } = load(entry);
  try {
    const ebpf = await Ebpf.load(sample);
    await ebpf.attach();
    await ebpf.close();
  } catch {
    // A kernel without types cannot load it: the tests say so.
  }
  keep();
}

async function main() {
  await warmUp('./dist.js', '/node-ebpf/dist/index.js');
  await warmUp('./typescript.js', '/node-ebpf/lib/index.ts');
}

void main();
