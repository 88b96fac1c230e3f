import { ProgInfo as Layout } from '../abi/index.js';
import type { Handle } from './handle.js';
import { readInfo } from './read-info.js';

/** What the kernel tells of a program. */
export interface ProgramInfo {
  /** A value of {@link ProgramType}. */
  readonly type: number;
  /** The program's number, with which `Program.open({ id })` opens it. */
  readonly id: number;
  /** At most 15 characters. */
  readonly name: string;
  /** SHA of the instructions, 16 hexadecimal digits, as bpftool prints it. */
  readonly tag: string;
  /** The maps it uses, ascending. */
  readonly mapIds: readonly number[];
  /** The BTF object with its types; 0 for none. */
  readonly btfId: number;
  /** Of programs for one function by BTF: its id, in the BTF object `attachBtfObjectId`; 0 for none. Since Linux 5.18. */
  readonly attachBtfId: number;
  /** Of programs for one function by BTF: the BTF object that `attachBtfId` is of. Since Linux 5.18. */
  readonly attachBtfObjectId: number;
  /** Whether its license lets it call helpers that are GPL only. */
  readonly gplCompatible: boolean;
  readonly createdByUid: number;
  /** Nanoseconds since boot. */
  readonly loadTime: bigint;
  /** How long it ran, in nanoseconds, while the kernel's statistics were on: {@link enableStats}. */
  readonly runTimeNs: bigint;
  /** How often it ran while the kernel's statistics were on. */
  readonly runCount: bigint;
  /** How often it was not run, since it ran on that CPU already. Since Linux 5.12. */
  readonly recursionMisses: bigint;
  /** How many instructions the verifier looked at. Since Linux 5.16. */
  readonly verifiedInstructions: number;
  /** Bytes of the verified instructions. 0 without CAP_BPF. */
  readonly translatedLength: number;
  /** Bytes of the machine code; 0 when it is interpreted, and without CAP_BPF. */
  readonly jitedLength: number;
  /** The network interface whose card runs it; 0 for none. */
  readonly interfaceIndex: number;
}

/** A bit-field of `struct bpf_prog_info`, after `ifindex` (include/uapi/linux/bpf.h). */
const gplCompatible = Layout.fields.ifindex[0] + 4;

export function programInfo(handle: Handle): ProgramInfo {
  const info = readInfo(handle, Layout);
  return {
    type: info.number('type'),
    id: info.number('id'),
    name: info.string('name'),
    tag: Buffer.from(info.slice('tag')).toString('hex'),
    mapIds: programMapIds(handle, info.number('nr_map_ids')),
    btfId: info.number('btf_id'),
    attachBtfId: info.number('attach_btf_id'),
    attachBtfObjectId: info.number('attach_btf_obj_id'),
    gplCompatible: info.firstBit(gplCompatible),
    createdByUid: info.number('created_by_uid'),
    loadTime: info.bigint('load_time'),
    runTimeNs: info.bigint('run_time_ns'),
    runCount: info.bigint('run_cnt'),
    recursionMisses: info.bigint('recursion_misses'),
    verifiedInstructions: info.number('verified_insns'),
    translatedLength: info.number('xlated_prog_len'),
    jitedLength: info.number('jited_prog_len'),
    interfaceIndex: info.number('ifindex'),
  };
}

function programMapIds(handle: Handle, count: number): number[] {
  const ids = new Uint32Array(count);
  if (count === 0) return [];
  const buffer = new Uint8Array(ids.buffer);
  readInfo(handle, Layout, [{ pointer: 'map_ids', length: 'nr_map_ids', elements: count, buffer }]);
  return [...ids].sort((a, b) => a - b);
}
