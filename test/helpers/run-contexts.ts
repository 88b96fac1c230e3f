// Holds the contexts of test runs, which are declared in lib/programs, against the types of the running kernel.
import { readFileSync } from 'node:fs';

import { ProgramType } from '../../lib/abi/index.js';
import { Btf, BtfKind } from '../../lib/btf/index.js';
import { codecFromBtf, fieldsOf, type Codec } from '../../lib/codec/index.js';
import { contextTypeOf } from '../../lib/programs/run-context.js';

import { kernelHasSymbol } from './kernel-symbols.js';

/** Members that older kernels lack: of 5.13, 5.16 to 5.18. */
const newer: readonly string[] = ['cookie', 'hwtstamp', 'tstamp_type', 'ingress_ifindex'];
/** Not the kernel's; and a port that was of four bytes before 5.18. */
const passedOver: readonly string[] = ['padding', 'addresses', 'remote_port'];

/** What lies elsewhere, or is of another size, than in the running kernel; and that something was compared at all. */
export function contextsUnlikeKernel(): string[] {
  const btf = Btf.parse(readFileSync('/sys/kernel/btf/vmlinux'), { name: 'vmlinux' });
  const { SCHED_CLS, XDP, SK_LOOKUP, FLOW_DISSECTOR, NETFILTER } = ProgramType;
  // Before programs of netfilter their structure was another one.
  const netfilter = kernelHasSymbol('bpf_nf_link_attach') ? [NETFILTER] : [];
  return [SCHED_CLS, XDP, SK_LOOKUP, FLOW_DISSECTOR, ...netfilter].flatMap((type) => {
    const codec = contextTypeOf(type)?.codec;
    return codec === undefined ? [`programs of type ${type} have no context`] : differences(codec, btf);
  });
}

function differences(codec: Codec<unknown>, btf: Btf): string[] {
  const kernel = places(codecFromBtf(btf, btf.find(codec.typeName.replace('struct ', ''), BtfKind.STRUCT) ?? 0));
  return [...places(codec)].flatMap(([name, place]) => {
    const found = kernel.get(name);
    if (found === place || passedOver.includes(name) || (found === undefined && newer.includes(name))) return [];
    return [`${codec.typeName}.${name}: ${found ?? 'nowhere'} in the kernel, ${place} as declared`];
  });
}

function places({ layout, typeName }: Codec<unknown>): ReadonlyMap<string, string> {
  if (layout.kind !== 'struct') throw new Error(`${typeName} is no struct`);
  return new Map(fieldsOf(layout).map(({ name, offset, layout: { size } }) => [name, `${offset}, ${size} bytes`]));
}
