// What probes in user space are tested with.
import { existsSync, readFileSync } from 'node:fs';

export const hasUprobes: boolean = existsSync('/sys/bus/event_source/devices/uprobe');

/** The C library that this process runs with. */
export const libc: string = existsSync('/proc/self/maps')
  ? (/\s(\/\S*\/libc\.so\.6|\/\S*\/libc-2\S*\.so)$/m.exec(readFileSync('/proc/self/maps', 'utf8'))?.[1] ?? '')
  : '';
