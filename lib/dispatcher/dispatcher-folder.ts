import { closeSync, constants, existsSync, mkdirSync, openSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { UsageError, quote } from '../errors/index.js';
import { isBpfFileSystem } from '../kernel/index.js';
import { lockFile, objectInfo, openPinned, pinObject, type Handle } from '../sys/index.js';

/** How long others may take for a change. */
const lockTimeoutMs = 30_000;

/** A program of a dispatcher, and its link to a function of the dispatcher. */
export interface PinnedSlot {
  readonly program: Handle;
  readonly link: Handle;
}

/** An interface of a network namespace, known by the number of the namespace's file. */
export interface InterfaceKey {
  readonly index: number;
  readonly namespaceId: number;
}

/**
 * Where a BPF file system is mounted that dispatchers are pinned in, with the `xdp` folder in it. Links of dispatchers are known
 * by their files alone.
 */
export class DispatcherFolder {
  /** Where the file system is mounted. */
  readonly root: string;
  readonly path: string;

  /** @throws {@link UsageError} when there is no BPF file system at `root`. */
  constructor(root: string | undefined) {
    const place = root ?? process.env['LIBXDP_BPFFS'] ?? '/sys/fs/bpf';
    if (!isBpfFileSystem(place)) {
      const problem = `${quote(place)} is no BPF file system, which dispatchers are kept in: mount -t bpf bpf ${place}`;
      throw UsageError.invalidValue('bpffs', problem);
    }
    this.root = place;
    this.path = join(place, 'xdp');
  }

  /** Whether it was ever used. */
  get exists(): boolean {
    return existsSync(this.path);
  }

  /** Runs `use` with the folder locked against other processes, and against others of this one. */
  async locked<Result>(signal: AbortSignal | undefined, use: () => Promise<Result>): Promise<Result> {
    mkdirSync(this.path, { recursive: true, mode: 0o700 });
    const descriptor = openSync(this.path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await lockFile(descriptor, { what: quote(this.path), timeoutMs: lockTimeoutMs, signal });
      return await use();
    } finally {
      closeSync(descriptor);
    }
  }

  /** Pins what a dispatcher is made of; nothing of it when that fails. */
  pin(interfaceIndex: number, dispatcherId: number, slots: readonly PinnedSlot[]): void {
    const folder = this.#folderOf(interfaceIndex, dispatcherId);
    mkdirSync(folder, { mode: 0o700 });
    try {
      for (const [index, { program, link }] of slots.entries()) {
        pinObject(link, join(folder, `prog${index}-link`));
        pinObject(program, join(folder, `prog${index}-prog`));
      }
    } catch (error) {
      this.unpin(interfaceIndex, dispatcherId);
      throw error;
    }
  }

  /**
   * Runs `change`, which pins the dispatcher `to` and puts it in the place of `from` (0 for none), then removes the pins of the
   * one that is not attached. A folder notes it meanwhile, which libxdp passes over: what a process leaves that is killed then is
   * removed by {@link finishInterrupted}.
   */
  async noted(
    { index, namespaceId }: InterfaceKey,
    from: number,
    to: number,
    change: () => Promise<void>,
  ): Promise<void> {
    const note = join(this.path, `change-${namespaceId}-${index}-${from}-${to}`);
    mkdirSync(note, { mode: 0o700 });
    let unwanted = to;
    try {
      await change();
      unwanted = from;
    } finally {
      if (unwanted !== 0) this.unpin(index, unwanted);
      rmdirSync(note);
    }
  }

  /** Removes the pins that changes of killed processes left at an interface, where `attached` (0 for none) is attached now. */
  finishInterrupted({ index, namespaceId }: InterfaceKey, attached: number): void {
    for (const note of readdirSync(this.path)) {
      const [namespaceOf, indexOf, ...ids] = /^change-(\d+)-(\d+)-(\d+)-(\d+)$/.exec(note)?.slice(1).map(Number) ?? [];
      if (namespaceOf !== namespaceId || indexOf !== index) continue;
      for (const id of ids) {
        if (id !== 0 && id !== attached) this.unpin(index, id);
      }
      rmdirSync(join(this.path, note));
    }
  }

  /** Opens the program in a slot; the caller closes it. */
  openProgram(interfaceIndex: number, dispatcherId: number, slot: number): Handle {
    return openPinned(join(this.#folderOf(interfaceIndex, dispatcherId), `prog${slot}-prog`), 'program');
  }

  /** Removes the pins of a dispatcher, as far as they are there. */
  unpin(interfaceIndex: number, dispatcherId: number): void {
    const folder = this.#folderOf(interfaceIndex, dispatcherId);
    for (let slot = 0; slot < 10; slot++) {
      for (const kind of ['link', 'prog']) rmSync(join(folder, `prog${slot}-${kind}`), { force: true });
    }
    try {
      rmdirSync(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }

  /**
   * Removes the pins of the dispatchers of an interface that have one of these programs and are attached no more; the folder is to be
   * locked. That interfaces of two network namespaces have the same index and the same program is told apart by nothing.
   */
  unpinWith(interfaceIndex: number, programIds: ReadonlySet<number>): void {
    for (const name of readdirSync(this.path)) {
      const [, id] = new RegExp(`^dispatch-${interfaceIndex}-(\\d+)$`).exec(name) ?? [];
      if (id !== undefined && this.#programsIn(name).some((programId) => programIds.has(programId)))
        this.unpin(interfaceIndex, Number(id));
    }
  }

  /** The ids of the programs that are pinned in a folder of a dispatcher. */
  #programsIn(name: string): number[] {
    const pins = readdirSync(join(this.path, name)).filter((pin) => pin.endsWith('-prog'));
    return pins.map((pin) => {
      const program = openPinned(join(this.path, name, pin), 'program');
      try {
        return objectInfo(program, 'program').id;
      } finally {
        program.close();
      }
    });
  }

  #folderOf(interfaceIndex: number, dispatcherId: number): string {
    return join(this.path, `dispatch-${interfaceIndex}-${dispatcherId}`);
  }
}
