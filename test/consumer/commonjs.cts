// Checked by `npm run lint` (api), never run: the published types in CommonJS.
import ebpf = require('node-ebpf');

export function isClosed(error: unknown): boolean {
  return error instanceof ebpf.UsageError && error.code === 'ERR_EBPF_CLOSED';
}

export const load = async (path: string): Promise<ebpf.Ebpf> => ebpf.Ebpf.load(path);
