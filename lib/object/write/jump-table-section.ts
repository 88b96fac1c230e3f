import { ByteWriter } from '../../binary/index.js';
import { SymbolBinding, SymbolType } from '../../elf/index.js';
import { JUMP_TABLE_SECTION, JUMP_TARGET_SIZE } from '../jump-tables.js';
import type { PlacedSection } from './code-sections.js';
import type { ObjectWriter } from './object-writer.js';

/** The section of jump tables, with a symbol for each: its targets are offsets in the section of the code that jumps. */
export class JumpTableSection {
  readonly #symbols = new Map<readonly number[], number>();

  constructor(writer: ObjectWriter, sections: readonly PlacedSection[]) {
    const bytes = new ByteWriter({ littleEndian: writer.spec.littleEndian });
    const tables = new Map<readonly number[], { readonly name: string; readonly value: number }>();
    for (const { spec, offset } of sections.flatMap(({ functions }) => functions)) {
      for (const reference of spec.references) {
        if (reference.kind !== 'jump-table' || tables.has(reference.targets)) continue;
        tables.set(reference.targets, { name: reference.table, value: bytes.length });
        for (const target of reference.targets) bytes.u64(BigInt(offset + target));
      }
    }
    if (tables.size === 0) return;
    writer.section({ name: JUMP_TABLE_SECTION, bytes: bytes.toBytes(), alignment: JUMP_TARGET_SIZE });
    for (const [targets, { name, value }] of tables) {
      const size = targets.length * JUMP_TARGET_SIZE;
      const fields = { name, value, size, type: SymbolType.OBJECT, binding: SymbolBinding.GLOBAL };
      this.#symbols.set(targets, writer.symbol(JUMP_TABLE_SECTION, fields));
    }
  }

  /** The symbol of a table. */
  symbol(targets: readonly number[]): number {
    return this.#symbols.get(targets) ?? 0;
  }
}
