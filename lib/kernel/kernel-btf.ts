import { allocateBtf, Btf } from '../btf/index.js';
import { UnsupportedError } from '../errors/index.js';

import { btfFromUsualPlaces } from './btf-file.js';
import { readSysfs } from './read-sysfs.js';
import { requireLinux } from './require-linux.js';

const path = '/sys/kernel/btf/vmlinux';

let parsed: Promise<Btf> | undefined;

/**
 * The running kernel's own types. Read and indexed once per process, in slices between which the event loop runs.
 *
 * Where the kernel has no BTF, that of a file where distributions keep it.
 *
 * @throws {@link UnsupportedError} when the kernel was built without `CONFIG_DEBUG_INFO_BTF` and no such file is there.
 */
export async function kernelBtf(): Promise<Btf> {
  parsed ??= load().catch((error: unknown) => {
    // The next load may find it readable: sysfs mounted, permission given.
    parsed = undefined;
    throw error;
  });
  return parsed;
}

async function load(): Promise<Btf> {
  let room = allocateBtf(0);
  let bytes: Uint8Array;
  try {
    // The thread that reads them also looks through them: this one would take milliseconds for it.
    bytes = await readSysfs(path, (byteLength) => (room = allocateBtf(byteLength)));
  } catch (cause) {
    requireLinux();
    const found = await btfFromUsualPlaces();
    if (found !== undefined) return found;
    throw new UnsupportedError(
      "the kernel's BTF",
      `${path} cannot be read; the kernel must be built with CONFIG_DEBUG_INFO_BTF=y and sysfs be mounted, or its types ` +
        'be given as a file: Ebpf.load(…, { kernelBtf })',
      { cause },
    );
  }
  return Btf.parseIndexed(bytes, room.index, { name: 'vmlinux' });
}

/** The kernel's tracepoints by the names that raw tracepoints have; empty when the kernel's BTF cannot be read. */
export async function rawTracepointNames(): Promise<string[]> {
  const btf = await kernelBtf().catch(() => undefined);
  if (btf === undefined) return [];
  // Each has a typedef of this name. Looking through the text takes a millisecond; asking all types for their names, fifty.
  const { buffer, byteOffset, byteLength } = btf.bytes;
  const text = Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
  return [...text.matchAll(/\0btf_trace_(\w+)/g)].map(([, name]) => name ?? '');
}
