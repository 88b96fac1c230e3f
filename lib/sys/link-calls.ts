import { constants } from 'node:os';

import {
  AttachType,
  BpfCommand,
  IterLinkInfo,
  LinkCreateAttr,
  LinkDetachAttr,
  LinkUpdateAttr,
  ProgAttachAttr,
  RawTracepointOpenAttr,
} from '../abi/index.js';
import { KernelError, quote } from '../errors/index.js';
import { AttributeWriter, Direction } from './attribute-writer.js';
import { bpfAsync, commandName, tryBpfAsync } from './bpf-call.js';
import { Handle } from './handle.js';

/**
 * Attaches a program to a raw tracepoint by name, or, without a name, to the kernel function or tracepoint that it was
 * loaded for (`tp_btf`, fentry, LSM). `cookie` needs Linux 6.9.
 */
export async function openRawTracepoint(
  program: Handle,
  name: string | undefined,
  cookie?: number | bigint,
): Promise<Handle> {
  const attr = new AttributeWriter(RawTracepointOpenAttr)
    .handle('prog_fd', program)
    .string('name', name, 'tracepoint name')
    .number('cookie', cookie);
  const where = name === undefined ? 'where it was loaded for' : `to raw tracepoint ${quote(name)}`;
  const token = await bpfAsync(BpfCommand.RAW_TRACEPOINT_OPEN, attr, `attach ${program.describe()} ${where}`);
  return new Handle('link', token, name ?? program.name);
}

/** The fields of BPF_LINK_CREATE that hold plain numbers: `'perf_event.bpf_cookie'`, `'tracing.cookie'`, … */
export type LinkField = keyof typeof LinkCreateAttr.fields;

export interface CreateLinkOptions {
  readonly program: Handle;
  /** A perf event, cgroup, map of sockets or network namespace, or a network interface's index. */
  readonly target?: Handle | number | undefined;
  readonly attachType: AttachType;
  readonly flags?: number | undefined;
  readonly fields?: Readonly<Partial<Record<LinkField, number | bigint>>> | undefined;
  /** Fields that take the descriptor of a program or link: `tcx.relative_fd`. */
  readonly handles?: Readonly<Partial<Record<LinkField, Handle>>> | undefined;
  /** Fields that take the address of what the kernel reads: `kprobe_multi.addrs`. */
  readonly buffers?: Readonly<Partial<Record<LinkField, Uint8Array>>> | undefined;
  /** Fields that take the address of an array of C strings: `kprobe_multi.syms`. */
  readonly strings?: Readonly<Partial<Record<LinkField, readonly string[]>>> | undefined;
  /** Fields that take the address of a C string: `uprobe_multi.path`. */
  readonly texts?: Readonly<Partial<Record<LinkField, string>>> | undefined;
  /** Where the interface is; in the process's own network namespace without it. */
  readonly networkNamespace?: Handle | undefined;
}

/** BPF_LINK_CREATE, off the event loop. Which attach types it knows depends on the kernel: EINVAL for the others. */
export async function createLink(options: CreateLinkOptions): Promise<Handle> {
  const { program, target, attachType, flags, fields = {}, handles = {}, networkNamespace } = options;
  const { buffers = {}, strings = {}, texts = {} } = options;
  const attr = new AttributeWriter(LinkCreateAttr)
    .handle('prog_fd', program)
    .number('attach_type', attachType)
    .number('flags', flags);
  if (typeof target === 'number') attr.number('target_ifindex', target);
  else attr.handle('target_fd', target);
  for (const [field, value] of Object.entries(fields)) attr.number(field as LinkField, value);
  for (const [field, handle] of Object.entries(handles)) attr.handle(field as LinkField, handle);
  for (const [field, buffer] of Object.entries(buffers)) {
    attr.pointer(field as LinkField, buffer, Direction.TO_KERNEL);
  }
  for (const [field, list] of Object.entries(strings)) attr.strings(field as LinkField, list);
  for (const [field, text] of Object.entries(texts)) attr.string(field as LinkField, text);
  const token = await bpfAsync(BpfCommand.LINK_CREATE, attr, `attach ${program.describe()}`, networkNamespace);
  return new Handle('link', token, program.name);
}

/** The fields of `union bpf_iter_link_info` that hold plain numbers, and those that take a descriptor. */
export interface IteratorTarget {
  readonly fields?: Readonly<Partial<Record<keyof typeof IterLinkInfo.fields, number>>> | undefined;
  readonly handles?: Readonly<Partial<Record<keyof typeof IterLinkInfo.fields, Handle>>> | undefined;
}

/** Makes the link of an iterator, off the event loop; without a target it goes over everything. */
export async function createIteratorLink(program: Handle, target: IteratorTarget | undefined): Promise<Handle> {
  const attr = new AttributeWriter(LinkCreateAttr)
    .handle('prog_fd', program)
    .number('attach_type', AttachType.TRACE_ITER);
  if (target !== undefined) {
    const { fields = {}, handles = {} } = target;
    const info = new AttributeWriter(IterLinkInfo);
    for (const [field, value] of Object.entries(fields)) info.number(field as keyof typeof IterLinkInfo.fields, value);
    attr.pointer('iter_info', info.bytes, Direction.TO_KERNEL, 'iter_info_len');
    for (const [field, handle] of Object.entries(handles)) {
      attr.handleIn(info.bytes, IterLinkInfo.fields[field as keyof typeof IterLinkInfo.fields][0], handle);
    }
  }
  const token = await bpfAsync(BpfCommand.LINK_CREATE, attr, `attach ${program.describe()}`);
  return new Handle('link', token, program.name);
}

/** Registers a struct_ops map that was filled in, off the event loop, by a link. Linux 6.4. */
export async function createStructOpsLink(map: Handle): Promise<Handle> {
  const attr = new AttributeWriter(LinkCreateAttr).handle('map_fd', map).number('attach_type', AttachType.STRUCT_OPS);
  const token = await bpfAsync(BpfCommand.LINK_CREATE, attr, `register ${map.describe()}`);
  return new Handle('link', token, map.name);
}

/** BPF_F_REPLACE */
const onlyExpected = 4;

/** Replaces a link's program, off the event loop; with `expected` only when it is that one, else EPERM. Linux 5.7. */
export async function updateLink(link: Handle, program: Handle, expected?: Handle): Promise<void> {
  const attr = new AttributeWriter(LinkUpdateAttr)
    .handle('link_fd', link)
    .handle('new_prog_fd', program)
    .handle('old_prog_fd', expected)
    .number('flags', expected === undefined ? 0 : onlyExpected);
  await bpfAsync(BpfCommand.LINK_UPDATE, attr, `replace ${link.describe()} by ${program.describe()}`);
}

/** Replaces the structure of a link by another one that was filled in, off the event loop. Linux 6.4. */
export async function updateStructOpsLink(link: Handle, map: Handle): Promise<void> {
  const attr = new AttributeWriter(LinkUpdateAttr).handle('link_fd', link).handle('new_map_fd', map);
  await bpfAsync(BpfCommand.LINK_UPDATE, attr, `replace ${link.describe()} by ${map.describe()}`);
}

/** BPF_PROG_ATTACH, off the event loop: how programs were attached before there were links. */
export async function attachProgram(program: Handle, target: Handle, attachType: AttachType, flags = 0): Promise<void> {
  const attr = attachAttributes(program, target, attachType).number('attach_flags', flags);
  await bpfAsync(BpfCommand.PROG_ATTACH, attr, `attach ${program.describe()}`);
}

/** BPF_PROG_DETACH, off the event loop: undoes {@link attachProgram}. KernelError ENOENT when it is not attached. */
export async function detachProgram(program: Handle, target: Handle, attachType: AttachType): Promise<void> {
  const attr = attachAttributes(program, target, attachType);
  await bpfAsync(BpfCommand.PROG_DETACH, attr, `detach ${program.describe()}`);
}

function attachAttributes(program: Handle, target: Handle, attachType: AttachType): AttributeWriter<string> {
  return new AttributeWriter(ProgAttachAttr)
    .handle('target_fd', target)
    .handle('attach_bpf_fd', program)
    .number('attach_type', attachType);
}

/**
 * Detaches a link's program while the link itself, and its pins, stay. Linux 5.9. False for types of links that the kernel
 * detaches only with the last descriptor.
 */
export async function detachLink(link: Handle): Promise<boolean> {
  const attr = new AttributeWriter(LinkDetachAttr).handle('link_fd', link);
  const result = await tryBpfAsync(BpfCommand.LINK_DETACH, attr);
  // EINVAL: of a structure of operations that is detached already (bpf_struct_ops_map_link_detach).
  if (result === -constants.errno.EOPNOTSUPP || result === -constants.errno.EINVAL) return false;
  if (result < 0) throw new KernelError(`detach ${link.describe()}`, commandName(BpfCommand.LINK_DETACH), result);
  return true;
}
