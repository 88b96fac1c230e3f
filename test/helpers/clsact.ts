import { addClsact, findInterface } from '../../lib/sys/index.js';
import { kernelHasSymbol } from './kernel-symbols.js';

/** Room for filters, where the kernel can be asked for it. */
export const hasClsact: boolean = kernelHasSymbol('cls_bpf_change') && kernelHasSymbol('clsact_init');

/** Gives an interface of this process's network namespace room for filters. */
export async function makeClsact(name: string): Promise<void> {
  await addClsact((await findInterface(name)).index);
}
