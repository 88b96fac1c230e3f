'use strict';

// Attaches the sample execsnoop to the programs that one process starts, until the first event is decoded:
// node-ebpf.cjs <parent's pid>. Prints the event, and when it was decoded by the monotonic clock, as JSON.
const path = require('node:path');
const { Ebpf, RingBuffer } = require('../../dist/index.js');

const object = path.join(__dirname, '../../bpf-samples/execsnoop.bpf.o');

async function main(parent) {
  const ebpf = await Ebpf.load(object, { variables: { target_ppid: parent } });
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

void main(Number(process.argv[2]));
