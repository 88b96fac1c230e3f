import { BtfKind } from '../btf-kind.js';
import type { BtfComposite, BtfFloat, BtfInt, BtfReference } from '../btf-type.js';
import type { Btf } from '../btf.js';
import { CSpelling } from './c-spelling.js';
import { isBaseType } from './c-names.js';
import { CTags } from './c-tags.js';

/** Definitions that wait for one another; the kernel's need about 60. */
const deepest = 1_000;

const visiting = 1;
const done = 2;

/**
 * Writes definitions in an order that C accepts: what a value contains first, and of what is only pointed to a forward
 * declaration. Structs and unions without a name are written where they are used.
 */
export class CPrinter {
  readonly #btf: Btf;
  readonly #spelling: CSpelling;
  readonly #parts: string[] = [];
  readonly #state: Uint8Array;
  /** Forward declarations written, by what is written. */
  readonly #forwarded = new Set<string>();
  /** Types that have been looked through when only declared (bit 0) and when complete (bit 1). */
  readonly #satisfied: Uint8Array;
  /** For which owner a prototype or anonymous struct was last looked through, so that shared ones are once. */
  readonly #lookedThrough: Map<number, number> = new Map<number, number>();

  constructor(btf: Btf) {
    this.#btf = btf;
    this.#spelling = new CSpelling(btf, new CTags(btf));
    this.#state = new Uint8Array(btf.endId);
    this.#satisfied = new Uint8Array(btf.endId);
  }

  /** What has been printed, declarations apart from one another. */
  get text(): string {
    return this.#parts.join('\n');
  }

  /** Every type that has a name, and enumerations without one that nothing else contains. */
  printAll(): void {
    const { startId, endId } = this.#btf;
    for (let id = startId; id < endId; id++) {
      switch (this.#btf.kind(id)) {
        case BtfKind.STRUCT:
        case BtfKind.UNION:
        case BtfKind.ENUM:
        case BtfKind.ENUM64:
          if (this.#btf.nameOf(id) !== '') this.print(id);
          break;
        case BtfKind.TYPEDEF:
        case BtfKind.FWD:
          this.print(id);
          break;
        default:
      }
    }
    for (let id = startId; id < endId; id++) {
      const kind = this.#btf.kind(id);
      if ((kind === BtfKind.ENUM || kind === BtfKind.ENUM64) && !this.#spelling.writtenEnums.has(id)) this.print(id);
    }
  }

  /** One type and, before it, what it needs that has not been printed yet. */
  print(id: number): void {
    this.#need(id, true, 0, 0);
    const type = this.#btf.type(id);
    switch (type.kind) {
      case BtfKind.STRUCT:
      case BtfKind.UNION:
      case BtfKind.ENUM:
      case BtfKind.ENUM64:
        if (type.name === '') this.#write(this.#spelling.definition(type));
        break;
      case BtfKind.FUNC:
      case BtfKind.VAR:
        this.#write(`extern ${this.#spelling.declaration(id, this.#spelling.names.typeName(id))}`);
        break;
      default:
    }
  }

  /** A definition alone, when it is one that C has. */
  printAlone(id: number): void {
    const type = this.#btf.type(id);
    switch (type.kind) {
      case BtfKind.STRUCT:
      case BtfKind.UNION:
      case BtfKind.ENUM:
      case BtfKind.ENUM64:
        this.#write(this.#spelling.definition(type));
        break;
      case BtfKind.TYPEDEF:
        this.#write(`typedef ${this.#spelling.declaration(type.type, this.#spelling.names.typeName(id))}`);
        break;
      case BtfKind.FWD:
        this.#forward(type.union ? 'union' : 'struct', id);
        break;
      case BtfKind.FUNC:
      case BtfKind.VAR:
        this.#write(`extern ${this.#spelling.declaration(id, this.#spelling.names.typeName(id))}`);
        break;
      default:
        this.#write(this.#spelling.declaration(id, ''));
    }
  }

  #write(declaration: string): void {
    this.#parts.push(`${declaration};\n`);
  }

  /**
   * Prints what a use of `id` takes; `complete` when a value of it lies there. Inside the body of struct `owner` that
   * struct itself is declared already.
   */
  #need(id: number, complete: boolean, owner: number, depth: number): void {
    const bit = complete ? 2 : 1;
    if (((this.#satisfied[id] ?? 0) & bit) !== 0) return;
    if (depth > deepest) throw this.#btf.error(`type ${id} needs more than ${deepest} other definitions first`, id);
    const type = this.#btf.type(id);
    switch (type.kind) {
      case BtfKind.VOID:
      case BtfKind.DATASEC:
      case BtfKind.DECL_TAG:
        return;
      case BtfKind.INT:
      case BtfKind.FLOAT:
        if (!isBaseType(type)) this.#write(`typedef ${substitute(type)} ${this.#spelling.names.typeName(id)}`);
        break;
      case BtfKind.PTR:
        this.#need(type.type, false, owner, depth + 1);
        // What is pointed to may be this very struct, declared only because it is being printed.
        return;
      case BtfKind.CONST:
      case BtfKind.VOLATILE:
      case BtfKind.RESTRICT:
      case BtfKind.TYPE_TAG:
      case BtfKind.FUNC:
      case BtfKind.VAR:
        this.#need(type.type, complete, owner, depth + 1);
        return;
      case BtfKind.ARRAY:
        this.#need(type.elementType, true, owner, depth + 1);
        return;
      case BtfKind.FUNC_PROTO:
        if (this.#lookedThrough.get(id) === owner) return;
        this.#need(type.returnType, false, owner, depth + 1);
        for (const parameter of type.parameters) this.#need(parameter.type, false, owner, depth + 1);
        this.#lookedThrough.set(id, owner);
        return;
      case BtfKind.FWD:
        this.#needForward(type.union, id, type.name, owner);
        return;
      case BtfKind.TYPEDEF:
        this.#defineTypedef(type, depth);
        if (complete) this.#need(type.type, true, 0, depth + 1);
        break;
      case BtfKind.ENUM:
      case BtfKind.ENUM64:
        if (type.name !== '') this.#write(this.#spelling.definition(type));
        this.#satisfied[id] = 3;
        return;
      case BtfKind.STRUCT:
      case BtfKind.UNION:
        if (type.name === '') this.#needMembers(type, owner, depth);
        else if (complete) this.#defineComposite(type, depth);
        else if (id !== owner && this.#state[id] !== done) {
          this.#forward(type.kind === BtfKind.UNION ? 'union' : 'struct', id);
        }
        return;
    }
    this.#satisfied[id] = (this.#satisfied[id] ?? 0) | bit;
  }

  #needForward(union: boolean, id: number, name: string, owner: number): void {
    const definition = this.#spelling.names.definitionOf(name, union);
    if (definition !== undefined && (definition === owner || this.#state[definition] === done)) return;
    this.#forward(union ? 'union' : 'struct', id);
  }

  #forward(keyword: string, id: number): void {
    const declaration = `${keyword} ${this.#spelling.names.tag(id)}`;
    if (this.#forwarded.has(declaration)) return;
    this.#forwarded.add(declaration);
    this.#write(declaration);
  }

  #defineTypedef(type: BtfReference, depth: number): void {
    if (!this.#enter(type.id)) return;
    this.#need(type.type, false, 0, depth + 1);
    this.#write(`typedef ${this.#spelling.declaration(type.type, this.#spelling.names.typeName(type.id))}`);
    this.#state[type.id] = done;
  }

  #defineComposite(type: BtfComposite, depth: number): void {
    if (!this.#enter(type.id)) return;
    for (const member of type.members) this.#needMember(member, type.id, depth);
    this.#write(this.#spelling.definition(type));
    this.#state[type.id] = done;
  }

  /** What the members of an anonymous struct need, wherever that is written. */
  #needMembers(type: BtfComposite, owner: number, depth: number): void {
    if (this.#state[type.id] === visiting) throw this.#endless(type.id);
    if (this.#lookedThrough.get(type.id) === owner) return;
    const before = this.#state[type.id] ?? 0;
    this.#state[type.id] = visiting;
    for (const member of type.members) this.#needMember(member, owner, depth);
    this.#state[type.id] = before;
    this.#lookedThrough.set(type.id, owner);
  }

  #needMember(
    { name, type: id }: { readonly name: string; readonly type: number },
    owner: number,
    depth: number,
  ): void {
    const type = name === '' ? this.#btf.type(this.#btf.skipModifiers(id)) : undefined;
    // A nameless member is written as an anonymous struct, even when its type has a tag.
    if (type?.kind === BtfKind.STRUCT || type?.kind === BtfKind.UNION) {
      if (depth > deepest) throw this.#endless(type.id);
      this.#needMembers(type, owner, depth + 1);
    } else this.#need(id, true, owner, depth + 1);
  }

  /** False when the type is printed already. */
  #enter(id: number): boolean {
    if (this.#state[id] === done) return false;
    if (this.#state[id] === visiting) throw this.#endless(id);
    this.#state[id] = visiting;
    return true;
  }

  #endless(id: number): Error {
    return this.#btf.error(`type ${id} cannot be written in C: its definition needs itself`, id);
  }
}

/** What stands for an integer or float that C does not have: Rust's `u32`, ARM's polynomials, x86's `long double`. */
function substitute(type: BtfInt | BtfFloat): string {
  if (type.kind === BtfKind.FLOAT) {
    if (type.size === 4) return 'float';
    return type.size === 8 ? 'double' : `struct { unsigned char bytes[${type.size}]; }`;
  }
  if (type.bool && type.size === 1) return '_Bool';
  const name = { 1: 'char', 2: 'short', 4: 'int', 8: 'long', 16: '__int128' }[type.size];
  if (name === undefined) return `struct { unsigned char bytes[${type.size}]; }`;
  return `${type.signed ? 'signed' : 'unsigned'} ${name}`;
}
