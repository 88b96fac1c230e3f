// ZIP archives, as Android packs libraries into them.
import { ByteReader, ByteWriter } from '../../lib/binary/index.js';

export interface Member {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** 0: stored as it is. */
  readonly method?: number;
  /** Bytes between the member's name and the member. */
  readonly extra?: number;
}

/** An archive, with something in front of it that is no part of it. */
export function archive(members: readonly Member[], comment = '', front: Uint8Array = new Uint8Array(0)): Uint8Array {
  const file = new ByteWriter({ littleEndian: true }).append(front);
  const directory = new ByteWriter({ littleEndian: true });
  for (const { name, bytes, method = 0, extra = 0 } of members) {
    const offset = file.length;
    const sizes = (writer: ByteWriter): ByteWriter =>
      writer.u16(0).u16(method).u32(0).u32(0).u32(bytes.length).u32(bytes.length).u16(name.length);
    sizes(file.u32(0x04034b50).u16(20)).u16(extra).append(Buffer.from(name)).append(new Uint8Array(extra));
    file.append(bytes);
    sizes(directory.u32(0x02014b50).u16(20).u16(20)).u16(extra).u16(0).u16(0).u16(0).u32(0).u32(offset);
    directory.append(Buffer.from(name)).append(new Uint8Array(extra));
  }
  const start = file.length;
  file.append(directory.toBytes()).u32(0x06054b50).u16(0).u16(0).u16(members.length).u16(members.length);
  file.u32(directory.length).u32(start).u16(comment.length).append(Buffer.from(comment));
  return file.toBytes();
}

/** The largest page that a processor of the tests has: what is mapped begins at a multiple of it. */
const PAGE = 0x1_0000;
const HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;

/**
 * An archive whose only member, a program, runs out of it: in front stands an ELF header by which the kernel maps the member where it
 * lies, as loaders of Android map a library out of a package.
 */
export function runnableArchive(name: string, program: Uint8Array): Uint8Array {
  const littleEndian = program[5] === 1;
  const reader = new ByteReader(program, { littleEndian, object: name });
  const count = reader.u16(56);
  const front = new Uint8Array(HEADER_SIZE + count * PROGRAM_HEADER_SIZE);
  front.set(reader.slice(0, HEADER_SIZE));
  front.set(reader.slice(Number(reader.u64(32)), count * PROGRAM_HEADER_SIZE), HEADER_SIZE);
  const view = new DataView(front.buffer);
  view.setBigUint64(32, BigInt(HEADER_SIZE), littleEndian);
  // No sections: those are the member's.
  view.setBigUint64(40, 0n, littleEndian);
  for (const field of [60, 62]) view.setUint16(field, 0, littleEndian);
  for (let index = 0; index < count; index++) {
    const offset = HEADER_SIZE + index * PROGRAM_HEADER_SIZE + 8;
    view.setBigUint64(offset, view.getBigUint64(offset, littleEndian) + BigInt(PAGE), littleEndian);
  }
  const extra = PAGE - front.length - 30 - name.length;
  return archive([{ name, bytes: program, extra }], '', front);
}
