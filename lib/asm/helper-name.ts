import { HelperId } from '../abi/index.js';

let names: ReadonlyMap<number, string> | undefined;

/** The C name of a helper: 1 is `bpf_map_lookup_elem`. Undefined for a number no helper has. */
export function helperName(id: number): string | undefined {
  names ??= new Map(Object.entries(HelperId).map(([name, number]) => [number, `bpf_${name}`]));
  return names.get(id);
}
