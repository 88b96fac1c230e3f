/**
 * What this machine may lack. The reason becomes part of the test's name, where `npm test` finds it; with EBPF_REQUIRE_ROOT=1 a
 * run fails when scripts/skips.mjs finds that the machine has what a skipped test says it needs: a new need is added there too.
 */
export type Need =
  | 'Linux'
  | 'root'
  | 'kprobes'
  | 'kprobe.multi'
  | 'kprobe.session'
  | 'uprobes'
  | 'kernel BTF'
  | 'a kernel without BTF'
  | 'kernel configuration'
  | 'kernel functions'
  | 'kernel modules'
  | 'fentry'
  | 'a JIT'
  | 'uprobes that may sleep'
  | 'fentry that may sleep'
  | 'BPF LSM that may sleep'
  | 'test runs of structures that may sleep'
  | 'BPF tokens'
  | 'programs at UNIX sockets'
  | 'freplace'
  | 'xdp-loader'
  | 'a kernel without fentry'
  | 'BPF LSM'
  | 'links of struct_ops'
  | 'arenas'
  | 'indirect jumps'
  | 'exceptions'
  | 'a kernel without indirect jumps'
  | 'bloom filters'
  | 'breakpoints'
  | 'fsession'
  | 'lsm_cgroup'
  | 'a kernel that goes over all tasks'
  | 'timers'
  | 'tracefs'
  | 'tracefs, mounted'
  | 'streams of programs'
  | 'a kernel without streams of programs'
  | 'big-endian processor'
  | 'a processor that is not emulated'
  | 'a processor that can be switched off'
  | 'rings that overwrite'
  | 'a kernel without rings that overwrite'
  | 'callbacks of helpers'
  | 'network interfaces of its own'
  | 'TCX'
  | 'a kernel without TCX'
  | 'clsact'
  | 'actions of traffic control'
  | 'a kernel without actions of traffic control'
  | 'a kernel without programs of infrared receivers'
  | 'netkit'
  | 'a kernel without netkit'
  | 'links of netfilter'
  | 'defragmentation by netfilter'
  | 'programs of routes'
  | 'contexts of XDP'
  | 'XDP programs bound to an interface'
  | 'a kernel without XDP programs bound to an interface'
  | 'netdevsim'
  | 'live frames'
  | 'fetched kernels'
  | 'a browser'
  | 'bpftool'
  | 'llvm-objdump'
  | 'fetched objects'
  | 'clang-19'
  | 'libbpf-dev'
  | `kernel ${number}.${number}`;

/**
 * `test`, or a skip that states its reason when the condition does not hold.
 *
 * @example
 * testIf(hasKprobes, 'kprobes')('attaches to a kernel function', async () => { … });
 */
export function testIf(
  condition: boolean,
  need: Need,
): (name: string, body: jest.ProvidesCallback, timeoutMs?: number) => void {
  return (name, body, timeoutMs) => {
    if (condition) test(name, body, timeoutMs);
    else test.skip(`${name} [skipped: needs ${need}]`, body);
  };
}
