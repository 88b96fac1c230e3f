export * from './boot-time.js';
export * from './btf-from-layouts.js';
export * from './check-layout.js';
export * from './codec.js';
export {
  array,
  be16,
  be32,
  be64,
  bool,
  bytes,
  cstr,
  enumeration,
  f32,
  f64,
  i16,
  i32,
  i64,
  i8,
  ipAddress,
  pointer,
  struct,
  u16,
  u32,
  u64,
  u8,
  type StructFields,
  type StructInput,
  type StructOptions,
  type StructValue,
  type WideIntegerCodec,
} from './declared.js';
export { codecFromBtf } from './from-btf.js';
export type { BtfCodecOptions } from './btf-layouts.js';
export { ipNetwork, ipOctets, type IpNetwork } from './ip-address.js';
export * from './ip-text.js';
export * from './json-replacer.js';
export { LayoutCodec, type LayoutCodecOptions } from './layout-codec.js';
export { hostIsLittleEndian } from '../binary/index.js';
export { endsFlexibly, fieldsOf } from './layout.js';
export type * from './layout.js';
export { typescriptFromBtf, type TypescriptOptions } from './typescript.js';
