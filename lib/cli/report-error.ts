import type { Writable } from 'node:stream';
import { debuglog, inspect, types } from 'node:util';

import { EbpfError } from '../index.js';
import { CommandError, CommandLineError } from './command-error.js';

/** `EX_NOPERM` of sysexits.h. */
const NO_PERMISSION = 77;

/**
 * Says on stderr what went wrong, once, with the library's code, and gives the exit status: 2 for a command line that
 * cannot be understood, 77 when rights are missing, else 1. With NODE_DEBUG=ebpf the stack and the causes follow.
 */
export function reportError(error: unknown, stderr: Writable): number {
  stderr.write(`node-ebpf: ${messageOf(error)}\n`);
  if (debuglog('ebpf').enabled) stderr.write(`${inspect(error, { depth: 4 })}\n`);
  if (isCommandLineError(error)) {
    stderr.write('Try: node-ebpf --help\n');
    return 2;
  }
  return EbpfError.is(error) && error.code === 'ERR_EBPF_PERMISSION' ? NO_PERMISSION : 1;
}

function messageOf(error: unknown): string {
  if (EbpfError.is(error)) return `${error.code}: ${error.message}`;
  if (error instanceof CommandError || isCommandLineError(error) || isSystemError(error)) return error.message;
  // Anything else is a mistake of this program: the stack is what a report of it needs.
  return inspect(error);
}

function isCommandLineError(error: unknown): error is Error {
  if (error instanceof CommandLineError) return true;
  return types.isNativeError(error) && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_');
}

/** An error of a stream: `ENOSPC: no space left on device, write` says it all. */
function isSystemError(error: unknown): error is Error {
  return types.isNativeError(error) && 'errno' in error && 'syscall' in error;
}
