import { ElfImage, type ByteSource, type ElfSymbolTable } from '../elf/index.js';

import { openDebugFile, type DebugFile } from './debug-file.js';
import { FileSource } from './file-source.js';

/**
 * A program or library, open for reading. It may lie in an archive, whose file is then what the kernel is told. To be
 * closed.
 */
export class ProgramFile {
  /** The file that holds it. */
  readonly path: string;
  readonly image: ElfImage;
  /** Where in that file it begins, in bytes: 0 but for a member of an archive. */
  readonly base: number;
  readonly #source: FileSource;
  readonly #root: string;
  #debugFile: Promise<DebugFile | undefined> | undefined;

  private constructor(source: FileSource, image: ElfImage, base: number, root: string) {
    this.path = source.name;
    this.image = image;
    this.base = base;
    this.#source = source;
    this.#root = root;
  }

  /**
   * Opens the file and reads its headers.
   *
   * @param root - In whose file system its debugging symbols are looked for first: `/proc/<pid>/root`.
   *
   * @throws {@link UsageError} when it cannot be opened; {@link ObjectFormatError} when it is no ELF file.
   */
  static async open(path: string, root = ''): Promise<ProgramFile> {
    const source = FileSource.open(path);
    return ProgramFile.#of(source, source, 0, root);
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

  static async #of(file: FileSource, part: ByteSource, base: number, root: string): Promise<ProgramFile> {
    try {
      return new ProgramFile(file, await ElfImage.open(part), base, root);
    } catch (error) {
      file.close();
      throw error;
    }
  }
}
