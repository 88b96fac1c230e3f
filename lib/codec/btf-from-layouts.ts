import { BtfBuilder } from '../btf/index.js';

import { hostIsLittleEndian } from '../binary/index.js';
import type { EnumLayout, IntegerLayout, Layout, StructLayout } from './layout.js';

/** BTF that was made of layouts. */
export interface BtfOfLayouts {
  readonly bytes: Uint8Array;
  /** A type id for each layout, in their order. */
  readonly typeIds: readonly number[];
}

/** Typedefs that codecs by BTF know integers of a fixed byte order by. */
const fixedOrderNames = { host: '', big: '__be', little: '__le' } as const;

/**
 * BTF in this machine's byte order that describes the layouts, so that the kernel and other programs can tell what is in a
 * map. Undefined when there is none: of pointers that only the kernel may follow nothing is known.
 */
export function btfOfLayouts(layouts: readonly Layout[]): BtfOfLayouts | undefined {
  const writer = new LayoutWriter();
  const typeIds: number[] = [];
  for (const layout of layouts) {
    const id = writer.add(layout);
    if (id === undefined) return undefined;
    typeIds.push(id);
  }
  return { bytes: writer.builder.encode(), typeIds };
}

class LayoutWriter {
  readonly builder = new BtfBuilder({ littleEndian: hostIsLittleEndian });
  readonly #known = new Map<Layout, number | undefined>();
  readonly #named = new Map<string, number>();

  add(layout: Layout): number | undefined {
    if (this.#known.has(layout)) return this.#known.get(layout);
    const id = this.#add(layout);
    this.#known.set(layout, id);
    return id;
  }

  #add(layout: Layout): number | undefined {
    switch (layout.kind) {
      case 'integer':
        return this.#integer(layout);
      case 'float':
        return this.#once(layout.size === 4 ? 'float' : 'double', (name) => this.builder.addFloat(name, layout.size));
      case 'bool':
        return this.#once(`_Bool`, (name) => this.builder.addInt(name, { size: layout.size, bool: true }));
      case 'enum':
        return this.#enum(layout);
      case 'pointer':
        return this.#once('void *', () => this.builder.addPointer(0));
      case 'string':
        return this.#array(
          this.#once('char', (name) => this.builder.addInt(name, { size: 1, signed: true })),
          layout.length,
        );
      case 'bytes':
        return this.#array(
          this.#once('unsigned char', (name) => this.builder.addInt(name, { size: 1 })),
          layout.length,
        );
      case 'array': {
        const element = this.add(layout.element);
        return element === undefined ? undefined : this.#array(element, layout.length);
      }
      case 'opaque': {
        // Structs that the kernel knows by name and size: struct bpf_spin_lock.
        const tag = /^struct (\w+)$/.exec(layout.typeName)?.[1];
        return tag === undefined ? undefined : this.builder.addStruct(tag, layout.size, []);
      }
      case 'struct':
      case 'union':
        return this.#composite(layout);
    }
  }

  #once(name: string, make: (name: string) => number): number {
    const known = this.#named.get(name);
    if (known !== undefined) return known;
    const id = make(name);
    this.#named.set(name, id);
    return id;
  }

  #integer({ size, signed, byteOrder }: IntegerLayout): number {
    const bits = size * 8;
    const name = `__${signed ? 's' : 'u'}${bits}`;
    const plain = this.#once(name, () => this.builder.addInt(name, { size, signed }));
    if (byteOrder === 'host') return plain;
    return this.#once(`${fixedOrderNames[byteOrder]}${bits}`, (typedef) => this.builder.addTypedef(typedef, plain));
  }

  #enum({ typeName, size, integer, values }: EnumLayout): number {
    const name = tagOf(typeName, 'enum');
    const { signed } = integer;
    if (size === 8) {
      const wide = values.map((each) => ({ name: each.name, value: BigInt(each.value) }));
      return this.builder.addEnum64(name, { size, signed, values: wide });
    }
    const narrow = values.map((each) => ({ name: each.name, value: Number(each.value) }));
    return this.builder.addEnum(name, { size, signed, values: narrow });
  }

  #array(element: number, length: number): number {
    const index = this.#once('__u32', (name) => this.builder.addInt(name, { size: 4 }));
    return this.builder.addArray(element, index, length);
  }

  #composite(layout: StructLayout): number | undefined {
    const members = [];
    for (const { name = '', offset, layout: type, bits } of layout.members) {
      const id = this.add(type);
      if (id === undefined) return undefined;
      members.push({ name, type: id, bitOffset: bits?.offset ?? offset * 8, bitSize: bits?.size ?? 0 });
    }
    const name = tagOf(layout.typeName, layout.kind);
    return layout.kind === 'struct'
      ? this.builder.addStruct(name, layout.size, members)
      : this.builder.addUnion(name, layout.size, members);
  }
}

/** `event` of `struct event`; empty for a type without a name of its own. */
function tagOf(typeName: string, kind: string): string {
  const tag = typeName.startsWith(`${kind} `) ? typeName.slice(kind.length + 1) : '';
  return /^\w+$/.test(tag) ? tag : '';
}
