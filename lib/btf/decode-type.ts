import { BtfKind, typeHeaderWords } from './btf-kind.js';
import type { BtfEnum64Value, BtfMember, BtfType } from './btf-type.js';
import { infoFlag, infoKind, infoVlen } from './type-table.js';

/** `BTF_INT_SIGNED`, `BTF_INT_CHAR`, `BTF_INT_BOOL`. */
export const intSigned = 1;
export const intChar = 2;
export const intBool = 4;

/** Makes the object of the type whose record starts at word `at`; the table's scan has checked that it is complete. */
export function decodeType(words: Uint32Array, at: number, id: number, string: (offset: number) => string): BtfType {
  const word = (index: number): number => words[at + index] ?? 0;
  const name = string(word(0));
  const info = word(1);
  const sizeOrType = word(2);
  const flag = infoFlag(info);
  const items = <T>(wordsPerItem: number, make: (index: number) => T): T[] => {
    const made: T[] = [];
    const count = infoVlen(info);
    for (let index = 0; index < count; index++) made.push(make(typeHeaderWords + index * wordsPerItem));
    return made;
  };
  const kind = infoKind(info) as BtfKind;
  switch (kind) {
    case BtfKind.VOID:
      return { kind, id, name };
    case BtfKind.INT: {
      const encoding = word(3);
      const flags = (encoding >>> 24) & 0xf;
      return {
        kind,
        id,
        name,
        size: sizeOrType,
        bits: encoding & 0xff,
        bitOffset: (encoding >>> 16) & 0xff,
        signed: (flags & intSigned) !== 0,
        char: (flags & intChar) !== 0,
        bool: (flags & intBool) !== 0,
      };
    }
    case BtfKind.PTR:
    case BtfKind.TYPEDEF:
    case BtfKind.VOLATILE:
    case BtfKind.CONST:
    case BtfKind.RESTRICT:
      return { kind, id, name, type: sizeOrType };
    case BtfKind.TYPE_TAG:
      return { kind, id, name, type: sizeOrType, attribute: flag };
    case BtfKind.ARRAY:
      return { kind, id, name, elementType: word(3), indexType: word(4), length: word(5) };
    case BtfKind.STRUCT:
    case BtfKind.UNION: {
      const members = items(3, (index): BtfMember => {
        const offset = word(index + 2);
        return {
          name: string(word(index)),
          type: word(index + 1),
          bitOffset: flag ? offset & 0xff_ffff : offset,
          bitSize: flag ? offset >>> 24 : 0,
        };
      });
      return { kind, id, name, size: sizeOrType, members };
    }
    case BtfKind.ENUM: {
      const values = items(2, (index) => {
        const value = word(index + 1);
        return { name: string(word(index)), value: flag ? value | 0 : value };
      });
      return { kind, id, name, size: sizeOrType, signed: flag, values };
    }
    case BtfKind.ENUM64: {
      const values = items(3, (index): BtfEnum64Value => {
        const value = (BigInt(word(index + 2)) << 32n) | BigInt(word(index + 1));
        return { name: string(word(index)), value: flag ? BigInt.asIntN(64, value) : value };
      });
      return { kind, id, name, size: sizeOrType, signed: flag, values };
    }
    case BtfKind.FWD:
      return { kind, id, name, union: flag };
    case BtfKind.FUNC:
      return { kind, id, name, type: sizeOrType, linkage: infoVlen(info) };
    case BtfKind.FUNC_PROTO: {
      const parameters = items(2, (index) => ({ name: string(word(index)), type: word(index + 1) }));
      return { kind, id, name, returnType: sizeOrType, parameters };
    }
    case BtfKind.VAR:
      return { kind, id, name, type: sizeOrType, linkage: word(3) };
    case BtfKind.DATASEC: {
      const entries = items(3, (index) => ({ type: word(index), offset: word(index + 1), size: word(index + 2) }));
      return { kind, id, name, size: sizeOrType, entries };
    }
    case BtfKind.FLOAT:
      return { kind, id, name, size: sizeOrType };
    case BtfKind.DECL_TAG:
      return { kind, id, name, type: sizeOrType, componentIndex: word(3) | 0, attribute: flag };
  }
}
