// A network namespace with two interfaces, `left` and its peer `right`, so that tests need not touch the machine's own.
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

import { installed } from './installed.js';
import { kernelHasSymbol } from './kernel-symbols.js';

/** Whether this machine can make one. Busybox has the command too. */
export const hasTestNetworks: boolean =
  installed('ip') && installed('unshare') && kernelHasSymbol('veth_xmit') && process.getuid?.() === 0;

/** What runs a command in a network namespace that has nothing but `lo`: the `wrapper` of {@link runChild}. */
export const inOwnNetwork: readonly string[] = ['unshare', '-n', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'];

/** Busybox names the peer itself: veth0. */
const setup =
  'mount -t bpf bpf /mnt && ip link set lo up && ip link add left type veth && ip link set veth0 name right && ' +
  'ip addr add 10.99.0.1/24 dev left && ip link set left up && ip link set right up';

/** A pair of netkit interfaces beside them, `nk` and its peer `nk0`, each with a network of its own, 10.98.0.0 and 10.97.0.0. */
const netkitSetup =
  'ip link add nk type netkit && ip addr add 10.98.0.1/24 dev nk && ip addr add 10.97.0.1/24 dev nk0 && ' +
  'ip link set nk up && ip link set nk0 up';

const inside = join(__dirname, '../fixtures/packets.mjs');

export class TestNetwork {
  /** The file of the namespace. */
  readonly path: string;
  /** A folder for pins, which are gone with the network. */
  readonly pins: string;
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  private constructor(process: ChildProcessByStdio<Writable, Readable, null>, lines: Interface) {
    this.path = `/proc/${process.pid ?? 0}/ns/net`;
    this.pins = `/proc/${process.pid ?? 0}/root/mnt`;
    this.#process = process;
    this.#lines = lines[Symbol.asyncIterator]();
  }

  static async create({ netkit = false }: { readonly netkit?: boolean } = {}): Promise<TestNetwork> {
    const script = `${[setup, ...(netkit ? [netkitSetup] : [])].join(' && ')} && exec "$@"`;
    const child = spawn('unshare', ['-n', '-m', 'sh', '-c', script, 'sh', process.execPath, inside], {
      stdio: ['pipe', 'pipe', 'inherit'],
      timeout: 300_000,
    });
    const network = new TestNetwork(child, createInterface({ input: child.stdout }));
    await network.#answer('ready');
    return network;
  }

  /** Sends packets to UDP port 9, those without an address to `right`, which receives them. */
  async send(count: number, address = ''): Promise<void> {
    this.#process.stdin.write(`${count} ${address}\n`);
    await this.#answer('sent');
  }

  /** IPv4 packets that the stack got, by its own count: one of each sent at `left`, and one if it comes in at `right`. */
  async received(): Promise<number> {
    this.#process.stdin.write('received\n');
    const { value } = await this.#lines.next();
    return Number(value);
  }

  /** Ends the process, and with it the namespace and its interfaces. */
  async close(): Promise<void> {
    const ended = this.#process.exitCode === null ? once(this.#process, 'exit') : undefined;
    this.#process.stdin.end();
    await ended;
  }

  async #answer(wanted: string): Promise<void> {
    const { value, done } = await this.#lines.next();
    if (done === true || value !== wanted) throw new Error(`the test network said ${String(value)}, not ${wanted}`);
  }
}
