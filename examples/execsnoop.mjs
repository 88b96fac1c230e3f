// Prints every program that is executed on this machine, then how many each user executed.
//   node execsnoop.mjs [object] [parent's pid]
import { cstr, Ebpf, HashMap, RingBuffer, struct, u32, u64 } from 'node-ebpf';

const [object = new URL('../bpf-samples/execsnoop.bpf.o', import.meta.url), parent = '0'] = process.argv.slice(2);

// The layout is checked against the object's own. RingBuffer.of('event') would take it from there.
const Exec = struct('event', { ts: u64, pid: u32, ppid: u32, uid: u32, comm: cstr(16), filename: cstr(128) });

const ebpf = await Ebpf.load(object, { variables: { target_ppid: Number(parent) } });
try {
  const reader = ebpf.map('events', RingBuffer.of(Exec)).read();
  process.once('SIGINT', () => reader.close());
  await ebpf.attach();

  for await (const exec of reader) console.log(exec.pid, exec.ppid, exec.comm, exec.filename);

  for (const [uid, { execs }] of ebpf.map('execs_by_uid', HashMap)) console.log(`user ${uid}: ${execs} executions`);
  if (reader.stats.dropped > 0n) console.log(`${reader.stats.dropped} events were lost`);
} finally {
  await ebpf.close();
}
