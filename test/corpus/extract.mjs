// Finds BPF objects in files of any kind: an object may be the file, or lie in the data of an executable, a library or an
// archive, where a skeleton (`bpftool gen skeleton`) or Go's `embed` has put it.
import fs from 'node:fs';
import path from 'node:path';

const magic = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2]);
const headerSize = 64;
const sectionHeaderSize = 64;
const noBits = 8;
const relocatable = 1;
const bpfMachine = 247;

/** The regular files below a folder, relative to it, in order. */
export function filesBelow(folder) {
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
}

/** [{ offset, bytes }] of the BPF objects within these bytes. */
export function objectsWithin(bytes) {
  const found = [];
  let from = 0;
  for (;;) {
    const offset = bytes.indexOf(magic, from);
    if (offset < 0) return found;
    const length = objectLength(bytes.subarray(offset));
    if (length !== undefined) found.push({ offset, bytes: bytes.subarray(offset, offset + length) });
    from = offset + (length ?? magic.length);
  }
}

/** The length of the BPF object that these bytes begin with, undefined when they begin with something else. */
function objectLength(bytes) {
  if (bytes.length < headerSize || (bytes[5] !== 1 && bytes[5] !== 2)) return undefined;
  const little = bytes[5] === 1;
  const u16 = (offset) => (little ? bytes.readUInt16LE(offset) : bytes.readUInt16BE(offset));
  const u32 = (offset) => (little ? bytes.readUInt32LE(offset) : bytes.readUInt32BE(offset));
  const u64 = (offset) => Number(little ? bytes.readBigUInt64LE(offset) : bytes.readBigUInt64BE(offset));
  if (u16(16) !== relocatable || u16(18) !== bpfMachine) return undefined;
  const headers = u64(40);
  const count = u16(60);
  let end = headers + count * sectionHeaderSize;
  if (end > bytes.length) return undefined;
  for (let header = headers; header < headers + count * sectionHeaderSize; header += sectionHeaderSize) {
    if (u32(header + 4) !== noBits) end = Math.max(end, u64(header + 24) + u64(header + 32));
  }
  return end <= bytes.length ? end : undefined;
}
