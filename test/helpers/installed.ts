import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Whether PATH has a command. */
export function installed(command: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, command)));
}
