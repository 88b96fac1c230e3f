// What bpf-samples/include/node_ebpf_log.h calls things.

/** The ring that logs travel through. */
export const LOG_RING = 'node_ebpf_logs';
/** The section of the messages: format, file, line. It is never loaded: code takes numbers for addresses in it. */
export const LOG_SECTION = '.rodata.node_ebpf_log';
/** The constant that says up to which level an object logs. */
export const LOG_LEVEL = 'node_ebpf_log_level';

/** A log in a program. */
export interface ProgramLog {
  /** The program's name. */
  readonly program: string;
  /** Where in {@link LOG_SECTION} its message is, in bytes. */
  readonly offset: number;
}
