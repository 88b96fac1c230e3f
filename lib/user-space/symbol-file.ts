import { ElfImage, SectionType, bytesInMemory, type ByteSource, type ElfSymbolTable } from '../elf/index.js';
import { EbpfError } from '../errors/index.js';

import { openDebugFile } from './debug-file.js';
import { FileSource } from './file-source.js';

/** A function, and how far behind its beginning a place is. */
export interface FunctionPlace {
  readonly name: string;
  readonly offset: number;
}

/** Tables of symbols beyond this size are of no program: such a file is not read. */
const mostBytes = 1 << 30;

/** The symbols of a program or library that processes have mapped, in memory: the file is closed again. */
export class SymbolFile {
  /** In hexadecimal digits; undefined when the file has none. */
  readonly buildId: string | undefined;
  readonly #image: ElfImage;
  readonly #tables: readonly ElfSymbolTable[];

  private constructor(image: ElfImage, buildId: string | undefined, tables: readonly ElfSymbolTable[]) {
    this.#image = image;
    this.buildId = buildId;
    this.#tables = tables;
  }

  /**
   * Reads the symbols of a file: its own, those that were stripped from it where somebody has them, and those by which it is
   * linked. Undefined for what is no ELF file, or one of which nothing can be read.
   *
   * @param path - Where it can be opened: `/proc/<pid>/map_files/…`.
   * @param name - Where its process sees it, to look beside it.
   * @param root - In whose file system: `/proc/<pid>/root`.
   */
  static async open(path: string, name: string, root: string): Promise<SymbolFile | undefined> {
    let source: FileSource | undefined;
    try {
      source = FileSource.open(path, { name });
      return await SymbolFile.#read(source, `${root}${name}`, root);
    } catch (error) {
      if (EbpfError.is(error)) return undefined;
      throw error;
    } finally {
      source?.close();
    }
  }

  /** As {@link open}, of what is nowhere but in memory: the vDSO. */
  static async of(bytes: Uint8Array, name: string): Promise<SymbolFile | undefined> {
    try {
      return await SymbolFile.#read(bytesInMemory(bytes, name), undefined, '');
    } catch (error) {
      if (EbpfError.is(error)) return undefined;
      throw error;
    }
  }

  static async #read(source: ByteSource, path: string | undefined, root: string): Promise<SymbolFile | undefined> {
    const image = await ElfImage.open(source);
    const isTable = (type: number): boolean => type === SectionType.SYMTAB || type === SectionType.DYNSYM;
    const tooLarge = image.sections.some(({ type, size, link }) => {
      return isTable(type) && Math.max(size, image.sections[link]?.size ?? 0) > mostBytes;
    });
    if (tooLarge) return undefined;
    const buildId = await image.buildId();
    const tables = [await image.symbols(), await image.dynamicSymbols()];
    if (tables[0]?.length === 0 && path !== undefined) {
      const debug = await openDebugFile(image, path, root);
      try {
        if (debug !== undefined) tables.unshift(await debug.image.symbols());
      } finally {
        debug?.close();
      }
    }
    const filled = tables.filter(({ length }) => length > 0);
    for (const table of filled) await table.prepare();
    return new SymbolFile(image, buildId, filled);
  }

  /** The function that a byte of the file belongs to. */
  at(fileOffset: number): FunctionPlace | undefined {
    const address = this.#image.address(fileOffset);
    if (address === undefined) return undefined;
    for (const table of this.#tables) {
      const symbol = table.at(address);
      if (symbol !== undefined && symbol.name !== '') return { name: symbol.name, offset: address - symbol.address };
    }
    return undefined;
  }
}
