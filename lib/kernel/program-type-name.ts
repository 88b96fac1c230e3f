import { ProgramType } from '../abi/index.js';

const names = new Map<number, string>();

/** The kernel's name of a program type: `TRACEPOINT`, `XDP`. */
export function programTypeName(type: number): string {
  if (names.size === 0) for (const [name, value] of Object.entries(ProgramType)) names.set(value, name);
  return names.get(type) ?? `number ${type}`;
}
