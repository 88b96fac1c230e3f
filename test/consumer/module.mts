// Checked by `npm run lint` (api), never run: the published types in an ES module.
import { cstr, Ebpf, EbpfError, HashMap, ObjectSpec, RingBuffer, struct, u32, u64 } from 'node-ebpf';
import type { Infer, Link, Program } from 'node-ebpf';

const Exec = struct('event', { ts: u64, pid: u32, comm: cstr(16) });
type Exec = Infer<typeof Exec>;

export async function watch(object: URL, signal: AbortSignal): Promise<string[]> {
  const ebpf = await Ebpf.load(object, { variables: { target_uid: 1000 }, signal });
  const seen: string[] = [];
  try {
    const program: Program = ebpf.program('exec');
    const attached = await ebpf.attach();
    const links: readonly Link[] = attached.links;
    seen.push(program.name, String(links.length));
    const counts = ebpf.map('counts', HashMap.of(u32, u64));
    counts.set(1, 2n);
    const count: bigint | undefined = counts.get(1);
    seen.push(String(count));
    for await (const event of ebpf.map('events', RingBuffer.of(Exec)).read({ signal })) {
      const typed: Exec = event;
      const at: bigint = typed.ts;
      seen.push(`${at} ${event.pid.toFixed()} ${event.comm.trim()}`);
      // @ts-expect-error -- there is no such field
      seen.push(event.gone);
    }
  } catch (error) {
    if (EbpfError.is(error) && error.code === 'ERR_EBPF_PERMISSION') return [];
    throw error;
  } finally {
    await ebpf.close();
  }
  return seen;
}

export const names = (bytes: Uint8Array): string[] => [...ObjectSpec.parse(bytes, { name: 'x.bpf.o' }).programs.keys()];
