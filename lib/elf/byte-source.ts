/** Bytes that are fetched when they are needed: a file that may be large, or a part of one. */
export interface ByteSource {
  /** What it is called in errors. */
  readonly name: string;
  readonly size: number;
  /** Exactly `length` bytes from `offset` on; rejects when there are fewer. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** A source over bytes in memory. */
export function bytesInMemory(bytes: Uint8Array, name: string): ByteSource {
  return {
    name,
    size: bytes.byteLength,
    read: async (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
  };
}
