import { lowerBound } from '../binary/index.js';
import { BtfKind, type Btf, type BtfExt } from '../btf/index.js';
import { ObjectFormatError } from '../errors/index.js';
import type { CoreRelocationTable, LineTable } from './function-spec.js';

/** What BTF.ext says about one function. */
export interface FunctionTables {
  /** BTF id of its FUNC, 0 when unknown. */
  readonly btfTypeId: number;
  readonly lines: LineTable;
  readonly coreRelocations: CoreRelocationTable;
}

interface Columns {
  readonly offsets: Uint32Array;
  readonly others: readonly Uint32Array[];
}

const noRows = new Uint32Array(0);

/** Cuts the tables of BTF.ext, which are per section, into tables per function. */
export class SideTables {
  readonly #btf: Btf | undefined;
  readonly #object: string;
  readonly #functions = new Map<string, ReadonlyMap<number, number>>();
  readonly #lines = new Map<string, Columns>();
  readonly #coreRelocations = new Map<string, Columns>();

  constructor(object: string, btf: Btf | undefined, extension: BtfExt | undefined) {
    this.#btf = btf;
    this.#object = object;
    for (const { section, offsets, typeIds } of extension?.functions ?? []) {
      this.#functions.set(section, new Map(Array.from(offsets, (offset, row) => [offset, typeIds[row] ?? 0])));
    }
    for (const { section, offsets, fileNames, texts, lineColumns } of extension?.lines ?? []) {
      this.#lines.set(section, ascending(offsets, [fileNames, texts, lineColumns]));
    }
    for (const { section, offsets, typeIds, accessStrings, kinds } of extension?.coreRelocations ?? []) {
      this.#coreRelocations.set(section, ascending(offsets, [typeIds, accessStrings, kinds]));
    }
  }

  /** The tables of the function at `offset` in `section`, with offsets from its start. */
  of(section: string, offset: number, size: number): FunctionTables {
    const lines = rows(this.#lines.get(section), offset, size);
    const [fileNames = noRows, texts = noRows, lineColumns = noRows] = lines.others;
    const relocations = rows(this.#coreRelocations.get(section), offset, size);
    const [typeIds = noRows, accessStrings = noRows, kinds = noRows] = relocations.others;
    return {
      btfTypeId: this.#functionType(section, offset),
      lines: { offsets: lines.offsets, fileNames, texts, lineColumns },
      coreRelocations: { offsets: relocations.offsets, typeIds, accessStrings, kinds },
    };
  }

  #functionType(section: string, offset: number): number {
    const id = this.#functions.get(section)?.get(offset) ?? 0;
    if (id !== 0 && this.#btf?.kind(id) !== BtfKind.FUNC) {
      throw new ObjectFormatError(
        `the function at offset ${offset} of ${section} has type ${id}, which is no function`,
        {
          object: this.#object,
          section: '.BTF.ext',
        },
      );
    }
    return id;
  }
}

/** The columns sorted by offset. Compilers write them so, then nothing is copied. */
function ascending(offsets: Uint32Array, others: readonly Uint32Array[]): Columns {
  let sorted = true;
  for (let row = 1; row < offsets.length && sorted; row++) sorted = (offsets[row - 1] ?? 0) <= (offsets[row] ?? 0);
  if (sorted) return { offsets, others };
  const order = Uint32Array.from(offsets.keys()).sort((a, b) => (offsets[a] ?? 0) - (offsets[b] ?? 0) || a - b);
  const reordered = (column: Uint32Array): Uint32Array => order.map((row) => column[row] ?? 0);
  return { offsets: reordered(offsets), others: others.map(reordered) };
}

function rows(columns: Columns | undefined, start: number, size: number): Columns {
  if (columns === undefined) return { offsets: noRows, others: [] };
  const { offsets } = columns;
  const first = lowerBound(offsets.length, (row) => (offsets[row] ?? 0) < start);
  const last = lowerBound(offsets.length, (row) => (offsets[row] ?? 0) < start + size);
  return {
    offsets: offsets.slice(first, last).map((offset) => offset - start),
    others: columns.others.map((column) => column.subarray(first, last)),
  };
}
