import { ObjectFormatError, quote } from '../errors/index.js';
import { readBtfHeader, type BtfHeader } from './btf-header.js';
import { BtfKind } from './btf-kind.js';
import type { BtfType } from './btf-type.js';
import { deduplicate } from './dedup/deduplicate.js';
import { printC, type BtfToCOptions } from './c/print-c.js';
import { decodeType } from './decode-type.js';
import { MemberList } from './member-list.js';
import { NameIndex } from './name-index.js';
import type { NamedTypes, StringTable } from './names.js';
import { inSlices } from './slices.js';
import { typesInIndex, type IndexedTypes } from './type-index.js';
import { infoKind, TypeTable } from './type-table.js';
import { alignmentOfType, maximumDepth, sizeOfType, tooDeep } from './type-size.js';
import { validateTypes } from './validate-types.js';
import { printValue, type BtfPrintOptions } from './value/print-value.js';
import { wordsOf } from './words.js';

export interface BtfOptions {
  /** What errors call the object: a file name, `vmlinux`. */
  readonly name: string;
  /** The BTF that this one continues: `vmlinux` for a kernel module's. */
  readonly base?: Btf | undefined;
}

export interface BtfAsyncOptions extends BtfOptions {
  /** How long to work before the event loop gets a turn, in milliseconds. Default 3. */
  readonly sliceMilliseconds?: number;
  /** Ends the work between two slices; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

const voidType: BtfType = { kind: BtfKind.VOID, id: 0, name: '' };
/** More types than 4 GiB of BTF can hold. */
const everything = 0x3fff_ffff;
/** Names whose types are remembered. */
const mostRemembered = 4_096;

/**
 * The types of an object or of the kernel (BPF Type Format). Parsing finds where each type starts and nothing else:
 * names are looked for when they are asked for, and objects made for the types that are asked for, once each. Either byte
 * order is read on any machine.
 *
 * The bytes are kept, not copied: they must not change afterwards.
 *
 * @example
 * ```js
 * const btf = Btf.parse(await readFile('/sys/kernel/btf/vmlinux'), { name: 'vmlinux' });
 * const id = btf.find('task_struct', BtfKind.STRUCT);
 * console.log(btf.sizeOf(id), btf.type(id).members.length);
 * ```
 */
export class Btf {
  readonly name: string;
  readonly littleEndian: boolean;
  readonly base: Btf | undefined;
  /** The first type's id: 1, or where the base ends. */
  readonly startId: number;
  /** One past the last type's id. */
  readonly endId: number;
  /** The BTF as it was given. */
  readonly bytes: Uint8Array;
  /** @internal */
  readonly header: BtfHeader;
  /** @internal */
  readonly table: TypeTable;
  /** @internal */
  readonly strings: StringTable;
  #names: NameIndex | undefined;
  readonly #named = new Map<string, NamedTypes>();
  #stringOffsets: ReadonlyMap<string, number> | undefined;
  readonly #types = new Map<number, BtfType>();
  readonly #decoded = new Map<number, string>();
  #decodedBytes = 0;
  #alignments: Map<number, number> | undefined;
  readonly #string = (offset: number): string => this.string(offset);

  private constructor(
    bytes: Uint8Array,
    options: BtfOptions,
    header: BtfHeader,
    table: TypeTable,
    indexed?: IndexedTypes,
  ) {
    const { base } = options;
    this.name = options.name;
    this.bytes = bytes;
    this.header = header;
    this.littleEndian = header.littleEndian;
    this.base = base;
    this.table = table;
    this.startId = table.startId;
    this.endId = table.startId + table.count;
    this.strings = {
      bytes: bytes.subarray(header.stringsOffset, header.stringsOffset + header.stringsLength),
      start: base === undefined ? 0 : base.stringsEnd,
      base: base?.strings,
    };
    if (indexed !== undefined) this.#names = new NameIndex(table, this.strings, indexed);
  }

  /**
   * Reads BTF in either byte order. Only what is needed to find the types is checked; {@link validate} checks the rest.
   *
   * @throws {ObjectFormatError} for bytes that are not BTF, truncated or of a newer kind.
   */
  static parse(bytes: Uint8Array, options: BtfOptions): Btf {
    const { header, table } = Btf.#start(bytes, options);
    table.scan(everything);
    return new Btf(bytes, options, header, table);
  }

  /**
   * As {@link parse}, in slices between which the event loop gets its turn: the kernel's BTF has over 100,000 types.
   *
   * @throws {ObjectFormatError} as {@link parse} does.
   */
  static async parseAsync(bytes: Uint8Array, options: BtfAsyncOptions): Promise<Btf> {
    const slices = { milliseconds: options.sliceMilliseconds ?? 3, signal: options.signal };
    const { header, table } = Btf.#start(bytes, options);
    await inSlices((limit) => table.scan(limit), slices);
    return new Btf(bytes, options, header, table);
  }

  /** @internal As {@link parseAsync}, of bytes that the addon has indexed: {@link allocateBtf}. */
  static async parseIndexed(bytes: Uint8Array, index: Uint32Array, options: BtfOptions): Promise<Btf> {
    const indexed = typesInIndex(index);
    if (indexed === undefined) return Btf.parseAsync(bytes, options);
    const { header, table } = Btf.#start(bytes, options);
    table.adopt(indexed);
    return new Btf(bytes, options, header, table, indexed);
  }

  static #start(bytes: Uint8Array, options: BtfOptions): { header: BtfHeader; table: TypeTable } {
    const { name, base } = options;
    const header = readBtfHeader(bytes, name, base !== undefined);
    if (base !== undefined && base.littleEndian !== header.littleEndian) {
      throw new ObjectFormatError(`its byte order is not that of its base ${quote(base.name)}`, {
        object: name,
        section: '.BTF',
        offset: 0,
      });
    }
    const types = bytes.subarray(header.typesOffset, header.typesOffset + header.typesLength);
    const location = { object: name, typesOffset: header.typesOffset };
    const table = new TypeTable(wordsOf(types, header.littleEndian), base?.endId ?? 1, location);
    if (header.typesLength % 4 !== 0) {
      throw table.error(`the types have ${header.typesLength} bytes, not a multiple of 4`, table.words.length);
    }
    return { header, table };
  }

  /** One past the last string offset, those of the base included. */
  get stringsEnd(): number {
    return this.strings.start + this.strings.bytes.byteLength;
  }

  /** What kind of type `id` is, without making an object of it. */
  kind(id: number): BtfKind {
    if (id < this.startId) {
      if (this.base !== undefined) return this.base.kind(id);
      if (id === 0) return BtfKind.VOID;
    }
    const { words, offsets } = this.table;
    const at = offsets[id - this.startId];
    if (at === undefined) throw this.#outOfRange(id);
    // The scan let only known kinds in.
    return infoKind(words[at + 1] ?? 0) as BtfKind;
  }

  /** The type's name; empty when it has none. */
  nameOf(id: number): string {
    if (id < this.startId) {
      if (this.base !== undefined) return this.base.nameOf(id);
      if (id === 0) return '';
    }
    const { words, offsets } = this.table;
    const at = offsets[id - this.startId];
    if (at === undefined) throw this.#outOfRange(id);
    return this.string(words[at] ?? 0);
  }

  /** The string at an offset into the strings, as types, BTF.ext and CO-RE relocations name them. */
  string(offset: number): string {
    if (offset === 0) return '';
    if (offset < this.strings.start && this.base !== undefined) return this.base.string(offset);
    const known = this.#decoded.get(offset);
    if (known !== undefined) return known;
    const { bytes, start } = this.strings;
    const at = offset - start;
    if (!(at >= 0 && at < bytes.byteLength)) {
      throw this.error(`string offset ${offset} lies outside the strings, which end at ${this.stringsEnd}`);
    }
    // The last byte of the strings is NUL.
    const end = bytes.indexOf(0, at);
    // Each string is decoded once, so only overlapping ones, as a crafted file has, add up to more than their section.
    this.#decodedBytes += end - at;
    if (this.#decodedBytes > 4 * bytes.byteLength + 65_536) {
      throw this.error('the strings overlap so often that this file cannot have been made by a compiler');
    }
    const string = Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at).toString('utf8');
    this.#decoded.set(offset, string);
    return string;
  }

  /**
   * The strings of this BTF in the order of the file, without those of its base: names, and what BTF.ext refers to, lines
   * of source for one. Each once; the empty string, which is offset 0, is left out.
   */
  allStrings(): string[] {
    return [...this.ownStrings().keys()];
  }

  /** @internal The strings of this BTF, not its base's, and the offset each has; the empty one left out. */
  ownStrings(): ReadonlyMap<string, number> {
    if (this.#stringOffsets !== undefined) return this.#stringOffsets;
    const found = new Map<string, number>();
    const { bytes, start } = this.strings;
    for (let at = 0; at < bytes.byteLength;) {
      const end = bytes.indexOf(0, at);
      const string = Buffer.from(bytes.buffer, bytes.byteOffset + at, end - at).toString('utf8');
      if (string !== '' && !found.has(string)) found.set(string, start + at);
      at = end + 1;
    }
    this.#stringOffsets = found;
    return found;
  }

  /** @internal Where the string is, here or in the base. */
  stringOffset(string: string): number | undefined {
    return string === '' ? 0 : (this.base?.stringOffset(string) ?? this.ownStrings().get(string));
  }

  /** The type's object, made at the first call; the same one each time. Id 0 is `void`. */
  type(id: number): BtfType {
    const known = this.#types.get(id);
    if (known !== undefined) return known;
    if (id < this.startId) {
      if (this.base !== undefined) return this.base.type(id);
      if (id === 0) return voidType;
    }
    const at = this.table.offsets[id - this.startId];
    if (at === undefined) throw this.#outOfRange(id);
    const type = decodeType(this.table.words, at, id, this.#string);
    this.#types.set(id, type);
    return type;
  }

  /**
   * Has these names ready for {@link find}, {@link findAll} and {@link findByEssentialName}, in slices between which the
   * event loop gets its turn. Without it the first query takes some milliseconds for the kernel's BTF.
   */
  async prepareNames(
    names: Iterable<string>,
    options: Pick<BtfAsyncOptions, 'sliceMilliseconds' | 'signal'> = {},
  ): Promise<void> {
    const wanted = [...names];
    const slices = { milliseconds: options.sliceMilliseconds ?? 3, signal: options.signal };
    await this.base?.prepareNames(wanted, options);
    if (this.#names !== undefined || wanted.length === 0) return;
    const index = new NameIndex(this.table, this.strings);
    await inSlices((limit) => index.build(limit), slices);
    this.#names = index;
  }

  /** The first type of that name (and kind, when given), those of the base first. */
  find(name: string, kind?: BtfKind): number | undefined {
    const found = this.base?.find(name, kind);
    if (found !== undefined) return found;
    return this.#typesNamed(name).exact.find((id) => kind === undefined || this.kind(id) === kind);
  }

  /** Every type of that name (and kind, when given), ascending. */
  findAll(name: string, kind?: BtfKind): number[] {
    const found = this.base?.findAll(name, kind) ?? [];
    return [...found, ...this.#typesNamed(name).exact.filter((id) => kind === undefined || this.kind(id) === kind)];
  }

  /**
   * Every type whose {@link essentialName} is `name`, ascending: `task_struct` finds `task_struct` and
   * `task_struct___old`. A local type's name must be made essential by the caller.
   */
  findByEssentialName(name: string): number[] {
    const found = this.base?.findByEssentialName(name) ?? [];
    return [...found, ...this.#typesNamed(name).essential];
  }

  /** The type behind typedefs, `const`, `volatile`, `restrict` and type tags. */
  skipModifiers(id: number): number {
    let current = id;
    for (let depth = 0; depth < maximumDepth; depth++) {
      switch (this.kind(current)) {
        case BtfKind.TYPEDEF:
        case BtfKind.VOLATILE:
        case BtfKind.CONST:
        case BtfKind.RESTRICT:
        case BtfKind.TYPE_TAG:
          current = this.word(current, 2);
          break;
        default:
          return current;
      }
    }
    throw tooDeep(this, id);
  }

  /**
   * Bytes that a value of the type takes: 8 for pointers, the variable's for VAR.
   *
   * @throws {ObjectFormatError} for types without a size (`void`, functions, forward declarations), for those that
   * contain themselves and for those of more than 4 GiB.
   */
  sizeOf(id: number): number {
    return sizeOfType(this, id);
  }

  /**
   * Bytes that the address of a value is a multiple of: at most 8, and 1 for packed structs.
   *
   * @throws {ObjectFormatError} for types without a size and those that contain themselves.
   */
  alignmentOf(id: number): number {
    this.#alignments ??= new Map<number, number>();
    return alignmentOfType(this, id, this.#alignments);
  }

  /**
   * Checks all that parsing leaves open: names, references, member and section bounds, and types that contain
   * themselves. Takes time in proportion to the number of types and makes no objects of them.
   *
   * @throws {ObjectFormatError} with the type and offset at fault.
   */
  validate(): void {
    validateTypes(this);
  }

  /**
   * A copy in which no type is there twice, and for each id here its id in the copy: what `btf__dedup` of libbpf does.
   * Structs are the same when all that they lead to is, a forward declaration standing for the struct of its name. Variables
   * and data sections are never merged, nor is the base changed. Strings that only BTF.ext refers to are not in the copy.
   *
   * @throws {ObjectFormatError} for types that refer to themselves or to none.
   *
   * @example
   * ```js
   * const builder = BtfBuilder.from(first);
   * builder.addAll(second);
   * const { btf } = Btf.parse(builder.encode(), { name: 'both' }).deduplicate();
   * ```
   */
  deduplicate(): { readonly btf: Btf; readonly ids: Uint32Array } {
    const { bytes, ids } = deduplicate(this);
    return { btf: Btf.parse(bytes, { name: this.name, base: this.base }), ids };
  }

  /**
   * The types as C, for BPF programs to be compiled with: a `vmlinux.h` of the kernel's. Each definition comes after those
   * it needs; sizes and offsets are BTF's, by packing and explicit padding where C's own differ; names that are taken get
   * `___2`, which CO-RE ignores; and names that are none in C have their other characters replaced.
   *
   * With an id: that type and what it needs; of functions and variables the declaration.
   *
   * @throws {ObjectFormatError} for types that contain themselves or have no size where C needs one.
   *
   * @example
   * ```js
   * await writeFile('vmlinux.h', btf.toC());
   * console.log(btf.toC(btf.find('list_head', BtfKind.STRUCT), { alone: true }));
   * ```
   */
  toC(id?: number, options: BtfToCOptions = {}): string {
    return printC(this, id, options);
  }

  /**
   * Bytes as a value of the type, in the manner of a C initialiser, as libbpf's `btf_dump__dump_type_data` prints it:
   * `(struct pair){.a = (int)1,.state = (enum state)BUSY,}`. Bit-fields, pointers and 128-bit integers are hexadecimal. Of a
   * data section or a variable, with its declaration. A flexible array takes what the struct leaves of the bytes.
   *
   * @throws {UsageError} for fewer bytes than the type takes.
   * @throws {ObjectFormatError} for types without a size, and those that contradict themselves.
   *
   * @example
   * ```js
   * console.log(btf.printValue(btf.find('event', BtfKind.STRUCT), record, { compact: true }));
   * ```
   */
  printValue(id: number, bytes: Uint8Array, options: BtfPrintOptions = {}): string {
    return printValue(this, id, bytes, options);
  }

  /** @internal The `index`-th 32-bit word of the type's record: name, info, size or type, and what its kind adds. */
  word(id: number, index: number): number {
    if (id < this.startId && this.base !== undefined) return this.base.word(id, index);
    const at = this.table.offsets[id - this.startId];
    if (at === undefined) throw this.#outOfRange(id);
    return this.table.words[at + index] ?? 0;
  }

  /** @internal The members of a struct or union, undefined for other types. */
  members(id: number): MemberList | undefined {
    if (id < this.startId && this.base !== undefined) return this.base.members(id);
    const at = this.table.offsets[id - this.startId];
    if (at === undefined) throw this.#outOfRange(id);
    return MemberList.of(this.table.words, at);
  }

  /** @internal Whether the string at an offset is `wanted`, which is UTF-8 without a NUL; undefined when it is empty. */
  isString(offset: number, wanted: Uint8Array): boolean | undefined {
    if (offset === 0) return undefined;
    if (offset < this.strings.start && this.base !== undefined) return this.base.isString(offset, wanted);
    const { bytes, start } = this.strings;
    const at = offset - start;
    // Most strings are longer or shorter, which this byte tells.
    if (bytes[at + wanted.length] === 0) {
      let index = 0;
      while (index < wanted.length && bytes[at + index] === wanted[index]) index++;
      if (index === wanted.length) return true;
    }
    return bytes[at] === 0 ? undefined : false;
  }

  /** @internal An error about type `id` (or the whole BTF) that names this object. */
  error(problem: string, id?: number): ObjectFormatError {
    const at = id === undefined ? undefined : this.table.offsets[id - this.startId];
    return this.table.error(problem, at);
  }

  #typesNamed(name: string): NamedTypes {
    const known = this.#named.get(name);
    if (known !== undefined) return known;
    const found = this.#index().find(name);
    if (this.#named.size === mostRemembered) this.#named.clear();
    this.#named.set(name, found);
    return found;
  }

  #index(): NameIndex {
    if (this.#names !== undefined) return this.#names;
    this.#names = new NameIndex(this.table, this.strings);
    this.#names.build(everything);
    return this.#names;
  }

  #outOfRange(id: number): ObjectFormatError {
    return this.error(`there is no type ${id}; the ids end at ${this.endId - 1}`);
  }
}
