import type { Btf } from '../btf/index.js';
import { UsageError } from '../errors/index.js';
import { BtfLayouts } from './btf-layouts.js';
import type { Codec } from './codec.js';

export function checkLayout(declared: Codec<unknown>, btf: Btf, typeId: number): void {
  const actual = new BtfLayouts(btf, {}).layoutOf(typeId);
  if (actual.size !== declared.size) {
    throw UsageError.invalidValue(declared.typeName, `it has ${declared.size} bytes, the object's type ${actual.size}`);
  }
}
