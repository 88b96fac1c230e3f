// What probes in user space are tested with.
import { existsSync, readFileSync } from 'node:fs';

import { enumeratorsOf, hasKernelBtf } from './kernel-types.js';

export const hasUprobes: boolean = existsSync('/sys/bus/event_source/devices/uprobe');

/** The C library that this process runs with. */
export const libc: string = existsSync('/proc/self/maps')
  ? (/\s(\/\S*\/libc\.so\.6|\/\S*\/libc-2\S*\.so)$/m.exec(readFileSync('/proc/self/maps', 'utf8'))?.[1] ?? '')
  : '';

/** The kernel has sessions of uprobes, which came with 6.13, and runs them. */
export const hasUprobeSessions: boolean =
  hasUprobes && hasKernelBtf && enumeratorsOf('bpf_attach_type', 'BPF_TRACE_UPROBE').has('_SESSION');
