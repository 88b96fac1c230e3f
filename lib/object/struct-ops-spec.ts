import { ProgramType } from '../abi/index.js';
import { BtfKind, typeName, type Btf, type BtfMember } from '../btf/index.js';
import { codecFromBtf, type Codec } from '../codec/index.js';
import { UsageError, escapeControl, quote } from '../errors/index.js';
import type { MapSpec } from './map-spec.js';
import type { ObjectSpec } from './object-spec.js';

/**
 * A structure of operations before its load: a variable of `.struct_ops` or `.struct_ops.link`, by the names of its members.
 *
 * @example
 * ```js
 * const careful = spec.structOps('careful');
 * careful.set('name', 'careful2').set('flags', 2);
 * careful.set('cong_avoid', 'grow_slowly'); // a program of the object
 * careful.set('release', undefined); // none
 * console.log(careful.get('ssthresh')); // 'halve'
 * ```
 */
export class StructOpsSpec {
  /** The variable's name, which is the map's too. */
  readonly name: string;
  readonly #map: MapSpec;
  readonly #btf: Btf;
  readonly #object: Pick<ObjectSpec, 'maps' | 'programs'>;

  /** @internal */
  constructor(map: MapSpec, object: Pick<ObjectSpec, 'maps' | 'programs'>) {
    if (map.btf === undefined)
      throw UsageError.invalidValue(`maps.${map.name}.btf`, 'no types say what its members are');
    this.name = map.name;
    this.#map = map;
    this.#btf = map.btf;
    this.#object = object;
  }

  /** As C spells it: `struct tcp_congestion_ops`. */
  get typeName(): string {
    return typeName(this.#btf, this.#map.valueType);
  }

  /** The names of the members, in C's order. */
  get members(): readonly string[] {
    return this.#all().map(({ name }) => name);
  }

  /**
   * What a member holds: of a pointer to a function the name of the program that implements it, undefined when none does; of others
   * the value, numbers of 64 bits as bigints and `char[N]` as a string.
   *
   * @throws {@link UsageError} `ERR_EBPF_NOT_FOUND` with the nearest names.
   */
  get(name: string): unknown {
    const member = this.#member(name);
    if (this.#isPointer(member)) return this.#map.operations.get(name);
    const { codec, offset } = this.#place(member);
    const bytes = new Uint8Array(this.#map.valueSize);
    bytes.set(this.#map.initialValue ?? []);
    return codec.decode(new DataView(bytes.buffer), offset);
  }

  /**
   * Gives a member another value, or a pointer to a function another program of the object, by its name; undefined takes the program
   * away. A program is loaded while a structure names it, and can implement only one member of one type.
   *
   * @throws {@link UsageError} `ERR_EBPF_NOT_FOUND` for members and programs that there are not, `ERR_EBPF_INVALID_VALUE` for a
   * value that is not of the member's type, such as a string that is too long, and for other pointers. Then nothing is changed.
   */
  set(name: string, value: unknown): this {
    const member = this.#member(name);
    const path = `${this.name}.${name}`;
    if (this.#isPointer(member)) this.#setProgram(member, value, path);
    else this.#setValue(member, value, path);
    return this;
  }

  #setProgram(member: BtfMember, value: unknown, path: string): void {
    const pointer = this.#btf.type(this.#btf.skipModifiers(member.type));
    const isFunction =
      pointer.kind === BtfKind.PTR && this.#btf.kind(this.#btf.skipModifiers(pointer.type)) === BtfKind.FUNC_PROTO;
    if (!isFunction)
      throw UsageError.invalidValue(path, "it is no pointer to a function; others are the kernel's to set");
    if (value !== undefined && typeof value !== 'string') {
      throw UsageError.invalidValue(path, `must be the name of a program or undefined, not of type ${typeof value}`);
    }
    const { maps, programs } = this.#object;
    const program = value === undefined ? undefined : programs.get(value);
    if (value !== undefined && program?.type !== ProgramType.STRUCT_OPS) {
      const known = [...programs.values()].filter(({ type }) => type === ProgramType.STRUCT_OPS);
      const names = known.map((each) => each.name);
      throw UsageError.notFound(`struct_ops program for ${path}`, value, names);
    }
    const before = programs.get(this.#map.operations.get(member.name) ?? '');
    if (value === undefined) this.#map.operations.delete(member.name);
    else this.#map.operations.set(member.name, value);
    // A load refuses those that no structure names.
    const named = (name: string): boolean =>
      [...maps.values()].some(({ operations }) => [...operations.values()].includes(name));
    if (before !== undefined && !named(before.name)) before.autoload = false;
    if (program !== undefined) program.autoload = true;
  }

  #setValue(member: BtfMember, value: unknown, path: string): void {
    const { codec, offset } = this.#place(member);
    const bytes = new Uint8Array(codec.size);
    codec.encode(value, new DataView(bytes.buffer), 0, path);
    // The kernel reads them as strings, and refuses those without an end.
    if (codec.layout.kind === 'string' && bytes.at(-1) !== 0) {
      const problem = `is too long: ${codec.layout.typeName} has room for ${codec.size - 1} bytes of UTF-8 and a NUL`;
      throw UsageError.invalidValue(path, problem);
    }
    this.#map.writableInitialValue().set(bytes, offset);
  }

  #isPointer(member: BtfMember): boolean {
    return this.#btf.kind(this.#btf.skipModifiers(member.type)) === BtfKind.PTR;
  }

  #place(member: BtfMember): { readonly codec: Codec<unknown>; readonly offset: number } {
    if (member.bitSize !== 0) {
      throw UsageError.invalidValue(`${this.name}.${member.name}`, 'bit-fields cannot be given to the kernel');
    }
    return { codec: codecFromBtf(this.#btf, member.type), offset: member.bitOffset / 8 };
  }

  #member(name: string): BtfMember {
    const found = this.#all().find((member) => member.name === name);
    if (found !== undefined) return found;
    throw UsageError.notFound(`member of ${escapeControl(this.typeName)} ${quote(this.name)}`, name, this.members);
  }

  #all(): readonly BtfMember[] {
    const type = this.#btf.type(this.#btf.skipModifiers(this.#map.valueType));
    return type.kind === BtfKind.STRUCT ? type.members.filter(({ name }) => name !== '') : [];
  }
}
