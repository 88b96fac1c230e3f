/** Whether the processor is emulated, as in the VMs of `npm run test:vm`: everything takes ten to thirty times as long. */
export const emulated = process.env['EBPF_TEST_EMULATED'] === '1';

/** How often something is repeated in the hope of a bad moment: `times` on a real processor, once where it is emulated. */
export function repetitions(times: number): number {
  return emulated ? 1 : times;
}
