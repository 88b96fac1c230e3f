'use strict';

// Attaches the sample execsnoop to the programs that one process starts, until the first event is decoded:
// node-ebpf.cjs <dist/index.js> <parent's pid>. Prints the event, and when it was decoded by the monotonic clock, as JSON.
const path = require('node:path');
const [library, parent] = process.argv.slice(2);
const { Ebpf, RingBuffer } = require(library);

const object = path.join(__dirname, '../../bpf-samples/execsnoop.bpf.o');

async function main() {
  const ebpf = await Ebpf.load(object, { variables: { target_ppid: Number(parent) } });
  try {
    await ebpf.attach();
    for await (const { pid, ppid, comm, filename } of ebpf.map('events', RingBuffer.of('event')).read()) {
      const at = Number(process.hrtime.bigint()) / 1e6;
      console.log(JSON.stringify({ at, pid, ppid, comm, filename }));
      return;
    }
  } finally {
    await ebpf.close();
  }
}

void main();
