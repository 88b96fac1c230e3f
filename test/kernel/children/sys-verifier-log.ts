// Loads a program whose log takes more than the first buffer for it; its parent counts the system calls.
import { ProgramType } from '../../../lib/abi/index.js';
import { loadProgram, LogLevel } from '../../../lib/sys/index.js';
import { longProgram } from '../../helpers/assemble.js';

async function main(): Promise<void> {
  const code = longProgram(20_000);
  const options = { type: ProgramType.SOCKET_FILTER, name: 'logged', code, bindings: [], license: 'GPL' };
  const result = await loadProgram({ ...options, logLevel: LogLevel.ALL });
  if (result.handle === undefined) throw new Error(result.log);
  result.handle.close();
}

void main();
