import { InstructionArrayValue, MapType } from '../abi/index.js';
import { EbpfError, KernelError, UnsupportedError, quote } from '../errors/index.js';
import { kernelKnows } from '../kernel/index.js';
import type { JumpTablePlan, ProgramPlan } from '../relocate/index.js';
import { createMap, freezeMap, mapUpdate, type CodeBinding, type Handle } from '../sys/index.js';

const [targetAt] = InstructionArrayValue.fields.orig_off;

/** The maps of a program's jump tables. The kernel wants them full and read-only before it sees the program. */
export class JumpTableMaps {
  readonly #handles: Handle[] = [];
  readonly #token: Handle | undefined;

  /** By a BPF token if there is one. */
  constructor(token: Handle | undefined) {
    this.#token = token;
  }

  /** Where the code takes their descriptors. Whatever fails, {@link close} closes what was made. */
  async create(plan: ProgramPlan): Promise<CodeBinding[]> {
    const bindings: CodeBinding[] = [];
    for (const table of plan.jumpTables) {
      const handle = await this.#create(table, plan.spec.name);
      for (const offset of table.offsets) bindings.push({ offset, handle });
    }
    return bindings;
  }

  /** A loaded program holds its own. */
  close(): void {
    for (const handle of this.#handles) handle.close();
  }

  async #create({ targets }: JumpTablePlan, program: string): Promise<Handle> {
    const handle = await createTable(targets.length, program, this.#token);
    this.#handles.push(handle);
    const value = new Uint8Array(InstructionArrayValue.size);
    const words = new Uint32Array(value.buffer);
    for (const [index, target] of targets.entries()) {
      words[targetAt / 4] = target;
      const result = mapUpdate(handle, new Uint8Array(Uint32Array.of(index).buffer), value, 0);
      if (result < 0) {
        throw new KernelError(`fill a jump table of program ${quote(program)}`, 'bpf(BPF_MAP_UPDATE_ELEM)', result);
      }
    }
    freezeMap(handle);
    return handle;
  }
}

async function createTable(entries: number, program: string, token: Handle | undefined): Promise<Handle> {
  try {
    return await createMap({
      type: MapType.INSN_ARRAY,
      // As libbpf names it.
      name: '.jumptables',
      keySize: 4,
      valueSize: InstructionArrayValue.size,
      maxEntries: entries,
      token,
    });
  } catch (error) {
    const isUnknown = EbpfError.is(error) && error.errnoName === 'EINVAL';
    if (!isUnknown || (await kernelKnows('bpf_map_type', 'BPF_MAP_TYPE_INSN_ARRAY')) === true) throw error;
    throw new UnsupportedError(
      'jump tables',
      `program ${quote(program)} has indirect jumps; compile it with -mcpu=v3, or with -fno-jump-tables`,
      { cause: error, since: '6.19' },
    );
  }
}
