import type { BtfKind } from './btf-kind.js';

interface Named {
  /** The type's number in its BTF. */
  readonly id: number;
  /** Empty for types without a name. */
  readonly name: string;
}

export interface BtfVoid extends Named {
  readonly kind: typeof BtfKind.VOID;
}

export interface BtfInt extends Named {
  readonly kind: typeof BtfKind.INT;
  /** Bytes. */
  readonly size: number;
  /** Bits that carry the value; fewer than `size * 8` only in bit-fields as compilers before 2018 wrote them. */
  readonly bits: number;
  readonly bitOffset: number;
  readonly signed: boolean;
  readonly char: boolean;
  readonly bool: boolean;
}

/** The kinds that are nothing but a reference to another type; 0 is `void`. */
export interface BtfReference extends Named {
  readonly kind:
    | typeof BtfKind.PTR
    | typeof BtfKind.TYPEDEF
    | typeof BtfKind.VOLATILE
    | typeof BtfKind.CONST
    | typeof BtfKind.RESTRICT;
  readonly type: number;
}

/** `__attribute__((btf_type_tag("name")))`. */
export interface BtfTypeTag extends Named {
  readonly kind: typeof BtfKind.TYPE_TAG;
  readonly type: number;
  /** True when the name is an attribute itself, such as `address_space(1)` (since Linux 6.15). */
  readonly attribute: boolean;
}

export interface BtfArray extends Named {
  readonly kind: typeof BtfKind.ARRAY;
  readonly elementType: number;
  readonly indexType: number;
  /** Elements; 0 for a flexible array. */
  readonly length: number;
}

export interface BtfMember {
  /** Empty for an anonymous struct or union, whose members are reached as if they were this type's own. */
  readonly name: string;
  readonly type: number;
  readonly bitOffset: number;
  /** 0 when the member is not a bit-field. */
  readonly bitSize: number;
}

export interface BtfComposite extends Named {
  readonly kind: typeof BtfKind.STRUCT | typeof BtfKind.UNION;
  /** Bytes. */
  readonly size: number;
  readonly members: readonly BtfMember[];
}

export interface BtfEnumValue {
  readonly name: string;
  readonly value: number;
}

export interface BtfEnum extends Named {
  readonly kind: typeof BtfKind.ENUM;
  /** Bytes. */
  readonly size: number;
  readonly signed: boolean;
  readonly values: readonly BtfEnumValue[];
}

export interface BtfEnum64Value {
  readonly name: string;
  readonly value: bigint;
}

export interface BtfEnum64 extends Named {
  readonly kind: typeof BtfKind.ENUM64;
  /** Bytes. */
  readonly size: number;
  readonly signed: boolean;
  readonly values: readonly BtfEnum64Value[];
}

/** A struct or union that is named but not defined here. */
export interface BtfForward extends Named {
  readonly kind: typeof BtfKind.FWD;
  readonly union: boolean;
}

/** `BTF_FUNC_STATIC`, `BTF_FUNC_GLOBAL`, `BTF_FUNC_EXTERN`, and the same numbers for variables. */
export const BtfLinkage = { STATIC: 0, GLOBAL: 1, EXTERN: 2 } as const;
export type BtfLinkage = (typeof BtfLinkage)[keyof typeof BtfLinkage];

export interface BtfFunction extends Named {
  readonly kind: typeof BtfKind.FUNC;
  /** The FUNC_PROTO. */
  readonly type: number;
  /** A {@link BtfLinkage}, unless the file is malformed. */
  readonly linkage: number;
}

export interface BtfParameter {
  readonly name: string;
  /** A last parameter of type 0 without a name stands for `...`. */
  readonly type: number;
}

export interface BtfFunctionPrototype extends Named {
  readonly kind: typeof BtfKind.FUNC_PROTO;
  readonly returnType: number;
  readonly parameters: readonly BtfParameter[];
}

export interface BtfVariable extends Named {
  readonly kind: typeof BtfKind.VAR;
  readonly type: number;
  /** A {@link BtfLinkage}, unless the file is malformed. */
  readonly linkage: number;
}

export interface BtfDataSectionEntry {
  /** A VAR, or in `.ksyms` a FUNC. */
  readonly type: number;
  /** Bytes from the start of the section. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

/** The variables of one ELF section, named as the section is. */
export interface BtfDataSection extends Named {
  readonly kind: typeof BtfKind.DATASEC;
  /** Bytes; clang leaves 0. */
  readonly size: number;
  readonly entries: readonly BtfDataSectionEntry[];
}

export interface BtfFloat extends Named {
  readonly kind: typeof BtfKind.FLOAT;
  /** Bytes. */
  readonly size: number;
}

/** `__attribute__((btf_decl_tag("name")))`. */
export interface BtfDeclarationTag extends Named {
  readonly kind: typeof BtfKind.DECL_TAG;
  readonly type: number;
  /** The member or parameter that is tagged; -1 for the type itself. */
  readonly componentIndex: number;
  /** True when the name is an attribute itself, such as `bpf_fastcall` (since Linux 6.15). */
  readonly attribute: boolean;
}

/** One type of a {@link Btf}, told apart by `kind`. */
export type BtfType =
  | BtfVoid
  | BtfInt
  | BtfReference
  | BtfTypeTag
  | BtfArray
  | BtfComposite
  | BtfEnum
  | BtfEnum64
  | BtfForward
  | BtfFunction
  | BtfFunctionPrototype
  | BtfVariable
  | BtfDataSection
  | BtfFloat
  | BtfDeclarationTag;
