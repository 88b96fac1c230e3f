import { BpfCommand, ObjectInfoAttr } from '../abi/index.js';
import { EbpfError } from '../errors/index.js';
import { AttributeReader, AttributeWriter, Direction, cString, type StructLayout } from './attribute-writer.js';
import { bpf } from './bpf-call.js';
import type { Handle } from './handle.js';

/** A buffer that a field of an info struct points to, for the kernel to fill. */
export interface InfoBuffer<Field extends string> {
  readonly pointer: Field;
  /** The field that says how much room there is. */
  readonly length: Field;
  /** What the length counts; bytes without it. */
  readonly elements?: number | undefined;
  readonly buffer: Uint8Array;
}

/**
 * What the kernel tells about an object, BPF_OBJ_GET_INFO_BY_FD. What a buffer of zero bytes is for is not asked. `numbers` are
 * fields that the kernel reads.
 */
export function readInfo<Field extends string>(
  handle: Handle,
  layout: StructLayout<Field>,
  buffers: readonly InfoBuffer<NoInfer<Field>>[] = [],
  numbers: readonly (readonly [NoInfer<Field>, number])[] = [],
): AttributeReader<Field> {
  const asked = buffers.filter(({ buffer }) => buffer.byteLength > 0);
  const lengths = new AttributeWriter(layout);
  for (const { length, elements, buffer } of asked) lengths.number(length, elements ?? buffer.byteLength);
  for (const [field, value] of numbers) lengths.number(field, value);
  const info = lengths.bytes;
  const attr = new AttributeWriter(ObjectInfoAttr)
    .handle('bpf_fd', handle)
    .pointer('info', info, Direction.BOTH, 'info_len');
  for (const { pointer, buffer } of asked) {
    attr.pointerIn(info, layout.fields[pointer][0], buffer, Direction.FROM_KERNEL);
  }
  bpf(BpfCommand.OBJ_GET_INFO_BY_FD, attr, `read the information on ${handle.describe()}`);
  return new AttributeReader(layout, info);
}

/** The longest path, with its NUL: names are never longer. */
const longestName = 4096;

/** As {@link readInfo}, with a name that the kernel writes into a buffer. */
export function readInfoWithName<Field extends string>(
  handle: Handle,
  layout: StructLayout<Field>,
  { pointer, length }: Pick<InfoBuffer<Field>, 'pointer' | 'length'>,
): string {
  const buffer = new Uint8Array(longestName);
  readInfo(handle, layout, [{ pointer, length, buffer }]);
  return cString(buffer);
}

/** E2BIG: the kernel is older than a buffer it was given, or a whole part of the struct. */
export function isUnknownBuffer(error: unknown): boolean {
  return EbpfError.is(error) && error.errnoName === 'E2BIG';
}
