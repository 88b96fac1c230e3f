/** Flags of BPF_PROG_LOAD that section names imply (BPF_F_* in include/uapi/linux/bpf.h). */
export const ProgramFlag = {
  /** The program may sleep. */
  SLEEPABLE: 0x10,
  /** The XDP program takes packets in several buffers. */
  XDP_HAS_FRAGS: 0x20,
} as const;
