import { ProgramType } from '../abi/index.js';

const names = new Map<number, string>();

/**
 * The kernel's name of a type of programs, a key of {@link ProgramType}: `TRACEPOINT`, `XDP`. Of a type that has none here it is
 * `number 99`.
 *
 * @example
 * ```js
 * for (const { id, name, type } of listPrograms()) console.log(id, name, programTypeName(type));
 * ```
 */
export function programTypeName(type: number): string {
  if (names.size === 0) for (const [name, value] of Object.entries(ProgramType)) names.set(value, name);
  return names.get(type) ?? `number ${type}`;
}
