import { hostIsLittleEndian } from '../../binary/index.js';
import { BtfBuilder, BtfKind, BtfLinkage } from '../../btf/index.js';
import { EbpfError } from '../../errors/index.js';
import { loadBtf, type Handle } from '../../sys/index.js';
import { toLoadBtf } from '../delegation-needs.js';

import { nameOf, no, undecided, yes, type Feature } from './feature.js';

/** Adds a type of the kind to BTF whose type 1 is `int`. A kind is one entry. Kinds that every kernel takes are not here. */
const newerKinds: ReadonlyMap<BtfKind, (builder: BtfBuilder) => void> = new Map<BtfKind, (builder: BtfBuilder) => void>(
  [
    [
      BtfKind.FUNC,
      (builder) => {
        builder.addFunction('probe', builder.addFunctionPrototype(1, [{ name: 'number', type: 1 }]), BtfLinkage.GLOBAL);
      },
    ],
    [
      BtfKind.DATASEC,
      (builder) => {
        const variable = builder.addVariable('probe', 1, BtfLinkage.STATIC);
        builder.addDataSection('.data', 4, [{ type: variable, offset: 0, size: 4 }]);
      },
    ],
    [
      BtfKind.FLOAT,
      (builder) => {
        builder.addFloat('float', 4);
      },
    ],
    [
      BtfKind.DECL_TAG,
      (builder) => {
        builder.addDeclarationTag('tag', builder.addTypedef('probe', 1));
      },
    ],
    [
      BtfKind.TYPE_TAG,
      (builder) => {
        builder.addPointer(builder.addTypeTag('tag', 1));
      },
    ],
    [
      BtfKind.ENUM64,
      (builder) => {
        builder.addEnum64('probe', { values: [{ name: 'PROBE', value: 1n << 40n }] });
      },
    ],
  ],
);

/** BTF of `int`, which is type 1, and what `add` puts after it. */
export function btfWith(add: (builder: BtfBuilder) => void = () => undefined): Uint8Array {
  const builder = new BtfBuilder({ littleEndian: hostIsLittleEndian });
  builder.addInt('int', { size: 4, signed: true });
  add(builder);
  return builder.encode();
}

/** Whether BPF_BTF_LOAD takes types of a kind. */
export async function probeBtfKind(kind: BtfKind, token?: Handle): Promise<Feature> {
  const name = nameOf(BtfKind, kind);
  const add = newerKinds.get(kind);
  if (add === undefined) return yes(`every kernel that has BTF takes types of kind ${name}`);
  try {
    (await loadBtf(btfWith(add), token)).close();
    return yes(`BTF with a type of kind ${name} was loaded`);
  } catch (error) {
    if (!EbpfError.is(error) || error.errno === undefined) throw error;
    if (error.errnoName === 'EINVAL') return no(error.message);
    throw undecided(error.errno, {
      what: `load BTF with a type of kind ${name}`,
      syscall: error.syscall ?? 'bpf(BPF_BTF_LOAD)',
      capabilities: ['CAP_BPF'],
      delegation: toLoadBtf,
      token,
    });
  }
}
