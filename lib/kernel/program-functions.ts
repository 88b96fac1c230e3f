import { Btf, BtfKind } from '../btf/index.js';
import { UsageError } from '../errors/index.js';
import { objectInfo, openById, readBtf, type Handle } from '../sys/index.js';

/** The types of a loaded program. `path` is what the program was given as. Some system calls; needs CAP_SYS_ADMIN. */
export function programTypes(program: Handle, path: string): Btf {
  const { btfId } = objectInfo(program, 'program');
  if (btfId === 0) {
    throw UsageError.invalidValue(
      path,
      `${program.describe()} was loaded without types, so its functions have no names`,
    );
  }
  const handle = openById('btf', btfId);
  try {
    return Btf.parse(readBtf(handle), { name: program.describe() });
  } finally {
    handle.close();
  }
}

/** The BTF id of a function of a loaded program. UsageError with the nearest names when it has no such function. */
export function functionOfProgram(program: Handle, name: string, path: string): number {
  const types = programTypes(program, path);
  const id = types.find(name, BtfKind.FUNC);
  if (id !== undefined) return id;
  const names: string[] = [];
  for (let each = types.startId; each < types.endId; each++) {
    if (types.kind(each) === BtfKind.FUNC) names.push(types.nameOf(each));
  }
  throw UsageError.notFound(`function of ${types.name}`, name, names);
}
