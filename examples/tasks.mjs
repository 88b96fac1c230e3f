// Prints the threads of a process, or of all, as the kernel has them: an iterator goes over them, nothing is traced.
//   node tasks.mjs [object] [pid]
import { cstr, Ebpf, IteratorProgram, struct, u32 } from 'node-ebpf';

const [object = new URL('../bpf-samples/iterators.bpf.o', import.meta.url), pid] = process.argv.slice(2);

// The layout is checked against the object's own. records('task_entry') would take it from there.
const Task = struct('task_entry', { process: u32, thread: u32, comm: cstr(16) });

const ebpf = await Ebpf.load(object);
try {
  // Since Linux 6.1 the kernel itself leaves out the others.
  const tasks = await ebpf.program('write_task', IteratorProgram).attach(pid === undefined ? {} : { pid: Number(pid) });
  for await (const { process, thread, comm } of tasks.records(Task)) console.log(process, thread, comm);
} finally {
  await ebpf.close();
}
