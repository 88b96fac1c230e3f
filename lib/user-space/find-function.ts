import { SymbolBinding, SymbolType, type DefinedSymbol, type ElfImage, type ElfSymbolTable } from '../elf/index.js';
import { UsageError, quote } from '../errors/index.js';

/** A function of a program or library. */
export interface FoundFunction {
  readonly name: string;
  /** As the file was linked. */
  readonly address: number;
  /** In bytes; 0 when unknown. */
  readonly size: number;
}

/**
 * The function that has a name, with a version or without: of the names by which files are linked, of all names, and of
 * those of `more`, the file's debugging symbols, which are only asked for when the name is in neither.
 *
 * @throws {@link UsageError} with the nearest names when there is none, or when there are several.
 */
export async function findFunction(
  image: ElfImage,
  name: string,
  more: () => Promise<ElfSymbolTable | undefined>,
): Promise<FoundFunction> {
  const tables: ElfSymbolTable[] = [];
  for (const next of [
    async () => image.dynamicSymbols(),
    async () => image.symbols(),
    async (): Promise<ElfSymbolTable | undefined> => more(),
  ]) {
    const table = await next();
    if (table === undefined || table.length === 0) continue;
    tables.push(table);
    const symbols = table.find(name);
    const functions = symbols.filter(({ type }) => type === SymbolType.FUNC);
    if (functions.length > 0) return onlyOne(image, name, functions);
    refuseOthers(image, name, symbols);
  }
  const names = await Promise.all(tables.map(async (table) => table.functions(() => true)));
  const known = new Set(names.flat().map((symbol) => symbol.name));
  throw UsageError.notFound(`function of ${quote(image.name)}`, name, known);
}

/** What the linker would take: the version of today, then a symbol that is not weak, then one that others can see. */
function onlyOne(image: ElfImage, name: string, functions: readonly DefinedSymbol[]): FoundFunction {
  const rank = ({ isDefault, binding }: DefinedSymbol): number =>
    (isDefault ? 4 : 0) + (binding === SymbolBinding.GLOBAL ? 2 : binding === SymbolBinding.WEAK ? 1 : 0);
  const best = Math.max(...functions.map(rank));
  const addresses = new Map(
    functions.filter((each) => rank(each) === best).map((each) => [each.address, each] as const),
  );
  const [found, ...others] = addresses.values();
  if (found !== undefined && others.length === 0) return found;
  const places = [...addresses.keys()].map((address) => `0x${address.toString(16)}`);
  throw UsageError.invalidValue(
    'function',
    `${quote(image.name)} has ${places.length} functions named ${quote(name)}, at ${places.slice(0, 8).join(', ')}` +
      `${places.length > 8 ? ' and others' : ''}; give { address } in place of the name`,
  );
}

function refuseOthers(image: ElfImage, name: string, symbols: readonly DefinedSymbol[]): void {
  if (symbols.some(({ type }) => type === SymbolType.GNU_IFUNC)) {
    throw UsageError.invalidValue(
      'function',
      `${quote(name)} of ${quote(image.name)} is several functions, of which one is chosen when a program starts ` +
        '(an indirect function): give the one that is meant, or its address',
    );
  }
  if (symbols.some(({ type }) => type === SymbolType.OBJECT || type === SymbolType.TLS)) {
    throw UsageError.invalidValue('function', `${quote(name)} of ${quote(image.name)} is a variable, not a function`);
  }
}
