/** What a BTF type is: `BTF_KIND_*` of include/uapi/linux/btf.h. */
export const BtfKind = {
  VOID: 0,
  INT: 1,
  PTR: 2,
  ARRAY: 3,
  STRUCT: 4,
  UNION: 5,
  ENUM: 6,
  FWD: 7,
  TYPEDEF: 8,
  VOLATILE: 9,
  CONST: 10,
  RESTRICT: 11,
  FUNC: 12,
  FUNC_PROTO: 13,
  VAR: 14,
  DATASEC: 15,
  FLOAT: 16,
  DECL_TAG: 17,
  TYPE_TAG: 18,
  ENUM64: 19,
} as const;
export type BtfKind = (typeof BtfKind)[keyof typeof BtfKind];

/** The newest kind this reader knows. */
export const newestKind: number = BtfKind.ENUM64;

const names = new Map<number, string>(Object.entries(BtfKind).map(([name, kind]) => [kind, name]));

/** `STRUCT` for 4; a kind of the future is `kind 20`. */
export function kindName(kind: number): string {
  return names.get(kind) ?? `kind ${kind}`;
}

/** 32-bit words of a type's record that every kind has: name offset, info, and size or type. */
export const typeHeaderWords = 3;

/** How many words follow the common three: `fixed`, and `perItem` for each of the `vlen` members, values or entries. */
export const kindLayouts: readonly { readonly fixed: number; readonly perItem: number }[] = [
  { fixed: 0, perItem: 0 }, // VOID
  { fixed: 1, perItem: 0 }, // INT
  { fixed: 0, perItem: 0 }, // PTR
  { fixed: 3, perItem: 0 }, // ARRAY
  { fixed: 0, perItem: 3 }, // STRUCT
  { fixed: 0, perItem: 3 }, // UNION
  { fixed: 0, perItem: 2 }, // ENUM
  { fixed: 0, perItem: 0 }, // FWD
  { fixed: 0, perItem: 0 }, // TYPEDEF
  { fixed: 0, perItem: 0 }, // VOLATILE
  { fixed: 0, perItem: 0 }, // CONST
  { fixed: 0, perItem: 0 }, // RESTRICT
  { fixed: 0, perItem: 0 }, // FUNC: its vlen is the linkage
  { fixed: 0, perItem: 2 }, // FUNC_PROTO
  { fixed: 1, perItem: 0 }, // VAR
  { fixed: 0, perItem: 3 }, // DATASEC
  { fixed: 0, perItem: 0 }, // FLOAT
  { fixed: 1, perItem: 0 }, // DECL_TAG
  { fixed: 0, perItem: 0 }, // TYPE_TAG
  { fixed: 0, perItem: 3 }, // ENUM64
];
