// Loads execsnoop.bpf.o, which is given, attaches it, executes a program, and prints what was seen of it, as JSON. With `worker`
// in a Worker, which is told to stop by its end.
'use strict';
const { spawn } = require('node:child_process');
const { isMainThread, Worker, workerData } = require('node:worker_threads');

const object = isMainThread ? process.argv[2] : workerData;
if (isMainThread && process.argv[3] === 'worker') {
  new Worker(__filename, { workerData: object }).on('error', (error) => {
    throw error;
  });
} else {
  void main();
}

async function main() {
  const { Ebpf, HashMap, isSupported, RingBuffer } = require('node-ebpf');
  const ebpf = await Ebpf.load(object, { variables: { target_ppid: process.pid } });
  const reader = ebpf.map('events', RingBuffer.of('event')).read();
  await ebpf.attach();
  const child = spawn('/bin/true');
  let seen;
  for await (const event of reader) {
    if (event.pid !== child.pid) continue;
    seen = [event.comm, event.filename];
    break;
  }
  const [[, { execs }]] = [...ebpf.map('execs_by_uid', HashMap)];
  await ebpf.close();
  console.log(JSON.stringify({ supported: isSupported(), seen, counted: execs > 0 }));
}
