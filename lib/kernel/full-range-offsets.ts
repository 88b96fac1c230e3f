import { MapType, ProgramType } from '../abi/index.js';
import { CodeBuilder, LoadSource } from '../asm/index.js';
import { hostIsLittleEndian } from '../binary/index.js';
import { createMap, loadProgram, type Handle } from '../sys/index.js';

/** Beyond what older kernels take for an offset at all (BPF_MAX_VAR_OFF, 1 << 29), and beyond the map that is asked with. */
const offset = 1n << 30n;

let answer: Promise<boolean> | undefined;

/**
 * Whether code can take any address in a map's value, also beyond 512 MiB. The verifier refuses the address that is asked
 * with either way, and its log says why.
 */
export async function hasFullRangeOffsets(token?: Handle): Promise<boolean> {
  answer ??= probe(token).catch((error: unknown) => {
    answer = undefined;
    throw error;
  });
  return answer;
}

async function probe(token: Handle | undefined): Promise<boolean> {
  const map = await createMap({ type: MapType.ARRAY, name: 'probe', keySize: 4, valueSize: 1, maxEntries: 1, token });
  try {
    const code = new CodeBuilder({ littleEndian: hostIsLittleEndian })
      .loadWide(1, offset << 32n, LoadSource.MAP_VALUE)
      .move(0, 0)
      .exit();
    const bindings = [{ offset: 4, handle: map }];
    const type = ProgramType.SOCKET_FILTER;
    const result = await loadProgram({ type, name: 'probe', code: code.toBytes(), bindings, license: 'GPL', token });
    result.handle?.close();
    // Older ones say: direct value offset of 1073741824 is not allowed.
    return result.log.includes('invalid access to map value pointer');
  } finally {
    map.close();
  }
}
