import { BtfKind } from '../btf-kind.js';
import type { BtfDeclarationTag, BtfTypeTag } from '../btf-type.js';
import type { Btf } from '../btf.js';

/** An attribute as BTF names one: a word, and numbers or words in parentheses. Anything else could be code. */
const attributePattern = /^[A-Za-z_]\w*(?:\([\w, ]*\))?$/u;

/** ` __attribute__((…))` for a tag; empty for an attribute that is none. */
export function attributeOf(
  attribute: 'btf_type_tag' | 'btf_decl_tag',
  tag: Pick<BtfTypeTag | BtfDeclarationTag, 'name' | 'attribute'>,
): string {
  if (!tag.attribute) return `__attribute__((${attribute}("${stringContents(tag.name)}")))`;
  return attributePattern.test(tag.name) ? `__attribute__((${tag.name}))` : '';
}

/** Octal escapes end after three digits, so that what follows is never read as part of them. */
function stringContents(name: string): string {
  return [...Buffer.from(name, 'utf8')]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return /[A-Za-z0-9 _.,:;()[\]<>=+*/%#@!$&|~^-]/u.test(character)
        ? character
        : `\\${byte.toString(8).padStart(3, '0')}`;
    })
    .join('');
}

/** The declaration tags of a BTF, by what they tag. */
export class CTags {
  readonly #btf: Btf;
  #attributes: ReadonlyMap<number, ReadonlyMap<number, string>> | undefined;

  constructor(btf: Btf) {
    this.#btf = btf;
  }

  /** The attributes, each behind a space, of a type's member; of the type itself for -1. */
  of(id: number, component: number): string {
    this.#attributes ??= this.#collect();
    return this.#attributes.get(id)?.get(component) ?? '';
  }

  #collect(): ReadonlyMap<number, ReadonlyMap<number, string>> {
    const found = new Map<number, Map<number, string>>();
    for (let id = 1; id < this.#btf.endId; id++) {
      if (this.#btf.kind(id) !== BtfKind.DECL_TAG) continue;
      const tag = this.#btf.type(id);
      if (tag.kind !== BtfKind.DECL_TAG) continue;
      const attribute = attributeOf('btf_decl_tag', tag);
      if (attribute === '') continue;
      const ofType = found.get(tag.type) ?? new Map<number, string>();
      ofType.set(tag.componentIndex, `${ofType.get(tag.componentIndex) ?? ''} ${attribute}`);
      found.set(tag.type, ofType);
    }
    return found;
  }
}
