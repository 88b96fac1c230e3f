import { MapType } from '../abi/index.js';
import { KernelError } from '../errors/index.js';
import { createMapNow, updateHandleAsync, type Handle } from '../sys/index.js';

/**
 * Waits until programs that run have ended, by the one call that does so: the kernel ends an update of a map of maps with it
 * (`maybe_wait_bpf_programs` of kernel/bpf/syscall.c). membarrier(2) would be refused where CPUs are without ticks.
 */
export class ProgramBarrier {
  readonly #inner: Handle;
  readonly #outer: Handle;

  constructor() {
    const sizes = { name: 'barrier', keySize: 4, valueSize: 4, maxEntries: 1 };
    this.#inner = createMapNow({ type: MapType.ARRAY, ...sizes });
    try {
      this.#outer = createMapNow({ type: MapType.ARRAY_OF_MAPS, ...sizes, innerMap: this.#inner });
    } catch (error) {
      this.#inner.close();
      throw error;
    }
  }

  /**
   * Resolves when every program that ran at the call has ended, and whatever else keeps a processor to itself, in milliseconds
   * and off the event loop. Programs that sleep are not waited for.
   */
  async wait(): Promise<void> {
    const result = await updateHandleAsync(this.#outer, new Uint8Array(4), this.#inner, 0);
    if (result < 0) throw new KernelError('wait for programs that run', 'bpf(BPF_MAP_UPDATE_ELEM)', result);
  }

  close(): void {
    this.#outer.close();
    this.#inner.close();
  }
}
