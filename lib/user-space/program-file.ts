import { ElfImage, type ElfSymbolTable } from '../elf/index.js';

import { archiveMember, partOf } from './archive.js';
import { openDebugFile, type DebugFile } from './debug-file.js';
import { FileSource } from './file-source.js';

/** How a program or library is opened. */
export interface ProgramFileOptions {
  /** In whose file system its debugging symbols are looked for first: `/proc/<pid>/root`. */
  readonly root?: string | undefined;
  /** For people, where the path says little: `/usr/bin/bash` of `/proc/42/exe`. */
  readonly name?: string | undefined;
  /** The process that it was found by. */
  readonly pid?: number | undefined;
}

/**
 * A program or library, open for reading. It may lie in an archive, whose file is then what the kernel is told. To be
 * closed.
 */
export class ProgramFile {
  /** The file that holds it. */
  readonly path: string;
  /** For people: the path that its process sees, or with the archive's the member's. */
  readonly name: string;
  readonly image: ElfImage;
  /** Where in that file it begins, in bytes: 0 but for a member of an archive. */
  readonly base: number;
  /** The process that it was found by. */
  readonly pid: number | undefined;
  readonly #source: FileSource;
  readonly #root: string;
  #debugFile: Promise<DebugFile | undefined> | undefined;

  private constructor(source: FileSource, image: ElfImage, base: number, options: ProgramFileOptions) {
    this.path = source.path;
    this.name = options.name ?? image.name;
    this.image = image;
    this.base = base;
    this.pid = options.pid;
    this.#source = source;
    this.#root = options.root ?? '';
  }

  /**
   * Opens the file and reads its headers.
   *
   * @throws {@link UsageError} when it cannot be opened; {@link ObjectFormatError} when it is no ELF file.
   */
  static async open(path: string, options: ProgramFileOptions = {}): Promise<ProgramFile> {
    const source = FileSource.open(path, { name: options.name });
    return closedOnFailure(source, async () => new ProgramFile(source, await ElfImage.open(source), 0, options));
  }

  /** As {@link open}, of a member of a ZIP archive that is stored as it is. */
  static async openMember(path: string, member: string): Promise<ProgramFile> {
    const source = FileSource.open(path);
    return closedOnFailure(source, async () => {
      const place = await archiveMember(source, member);
      const image = await ElfImage.open(partOf(source, place, `${path}!/${member}`));
      return new ProgramFile(source, image, place.offset, {});
    });
  }

  /** The symbols that were stripped from the file; undefined when nobody has them. Looked for once. */
  async debugSymbols(): Promise<ElfSymbolTable | undefined> {
    this.#debugFile ??= openDebugFile(this.image, this.path, this.#root);
    return (await this.#debugFile)?.image.symbols();
  }

  /** May be called again. */
  close(): void {
    this.#source.close();
    // It may still be being looked for.
    this.#debugFile?.then(
      (file) => file?.close(),
      () => undefined,
    );
  }
}

async function closedOnFailure(source: FileSource, open: () => Promise<ProgramFile>): Promise<ProgramFile> {
  try {
    return await open();
  } catch (error) {
    source.close();
    throw error;
  }
}
