import { BpfCommand } from '../abi/index.js';
import { KernelError, UsageError } from '../errors/index.js';
import { addon, completed } from './addon.js';
import type { AttributeWriter } from './attribute-writer.js';
import type { Handle } from './handle.js';
import { trace } from './trace.js';

const names = new Map<number, string>();
for (const [name, command] of Object.entries(BpfCommand)) {
  if (!names.has(command)) names.set(command, `bpf(BPF_${name})`);
}

/** The call as it stands in errors: `bpf(BPF_MAP_CREATE)`. */
export function commandName(command: BpfCommand): string {
  return names.get(command) ?? `bpf(${command})`;
}

/** Runs a command on the event loop; returns a number, a token for a command that makes a descriptor, or -errno. */
export function tryBpf(command: BpfCommand, attr: AttributeWriter<string>): number {
  return trace(commandName(command), addon().bpf(command, attr.buffers, attr.patches));
}

/**
 * As {@link tryBpf}, off the event loop; resolves with the number, never rejects for the kernel's refusal. In another
 * network namespace, it is made by a thread that has entered it.
 */
export async function tryBpfAsync(
  command: BpfCommand,
  attr: AttributeWriter<string>,
  networkNamespace?: Handle,
): Promise<number> {
  const native = addon();
  if (networkNamespace?.closed === true) throw UsageError.closed(networkNamespace.describe());
  const inside = networkNamespace?.token ?? 0;
  const result = await completed((completion) => native.bpf(command, attr.buffers, attr.patches, completion, inside));
  return trace(commandName(command), result);
}

/** As {@link tryBpf}, throwing KernelError; `what` says what is attempted: `create map "events"`. */
export function bpf(command: BpfCommand, attr: AttributeWriter<string>, what: string): number {
  return checked(command, tryBpf(command, attr), what);
}

/** As {@link tryBpfAsync}, rejecting with KernelError. */
export async function bpfAsync(
  command: BpfCommand,
  attr: AttributeWriter<string>,
  what: string,
  networkNamespace?: Handle,
): Promise<number> {
  return checked(command, await tryBpfAsync(command, attr, networkNamespace), what);
}

function checked(command: BpfCommand, result: number, what: string): number {
  if (result < 0) throw new KernelError(what, commandName(command), result);
  return result;
}
