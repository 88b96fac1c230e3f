// A BPF file system that is gone with its folder: tests leave the machine's own alone.
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';

export class PinFolder {
  /** Where its files are for this process and others of its process namespace. */
  readonly path: string;
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;

  private constructor(process: ChildProcessByStdio<Writable, Readable, null>) {
    this.#process = process;
    this.path = `/proc/${process.pid ?? 0}/root/mnt`;
  }

  static async create(): Promise<PinFolder> {
    // It is mounted in a namespace of a process that waits, and ends with its input.
    const script = 'mount -t bpf bpf /mnt && echo ready && read line';
    const child = spawn('unshare', ['-m', 'sh', '-c', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
      timeout: 300_000,
    });
    const folder = new PinFolder(child);
    const [text] = (await once(child.stdout, 'data')) as [Buffer];
    if (text.toString() !== 'ready\n') throw new Error(`the folder for pins said ${text.toString()}`);
    return folder;
  }

  /** Ends what holds the file system, and with it all its pins. */
  async close(): Promise<void> {
    const ended = this.#process.exitCode === null ? once(this.#process, 'exit') : undefined;
    this.#process.stdin.end();
    await ended;
  }
}
