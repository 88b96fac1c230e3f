import { Instruction, INSTRUCTION_SIZE, InstructionClass, JumpOperation, printInstruction } from '../asm/index.js';
import { escapeControl } from '../errors/index.js';
import type { FunctionSpec, ObjectSpec, Reference } from '../object/index.js';
import { accessOf } from './apply-core-relocations.js';
import { FunctionLinker } from './function-linker.js';
import type { PlacedFunction } from './linked-functions.js';
import { lineAt } from './source-line.js';

/**
 * Prints a program of an object, and the functions it calls, in the words of the kernel's verifier log: the C lines between
 * the instructions, names in place of what the load will fill in, jumps with the label they lead to, and what each CO-RE
 * relocation accesses. Indices count as in verifier logs. It needs no kernel.
 *
 * @throws {UsageError} `ERR_EBPF_NOT_FOUND` when there is no program of that name.
 * @throws {RelocationError} when a function that it calls is missing.
 *
 * @example
 * ```js
 * console.log(disassemble(ObjectSpec.parse(bytes), 'on_exec'));
 * // on_exec:
 * // ; event->pid = BPF_CORE_READ(task, tgid); @ execsnoop.bpf.c:41
 * //   12: (b7) r1 = 24                                 ; CO-RE task_struct.tgid
 * ```
 */
export function disassemble(object: ObjectSpec, program: string): string {
  const { placed } = new FunctionLinker(object).link(object.program(program));
  return placed.map((one) => printFunction(object, one)).join('\n');
}

/** Targets of one jump table that are printed. */
const mostListed = 64;

function printFunction(object: ObjectSpec, { spec, start }: PlacedFunction): string {
  const instruction = new Instruction(spec.code, object.littleEndian);
  const labels = labelsOf(instruction, spec.references);
  const notes = notesOf(object, spec, labels);
  const references = new Map(spec.references.map((reference) => [reference.offset, reference]));
  const lines = [`${escapeControl(spec.name)}:`];
  let source: string | undefined;
  for (let index = 0; index < instruction.count; index += instruction.slots) {
    const offset = index * INSTRUCTION_SIZE;
    const label = labels.get(index);
    if (label !== undefined) lines.push(`${label}:`);
    const line = sourceAt(object, spec, offset);
    if (line !== undefined && line !== source) lines.push(line);
    source = line;
    const text = withNames(instruction.at(index), references.get(offset), labels);
    const note = notes.get(offset);
    const number = String(start + index).padStart(4);
    lines.push(note === undefined ? `${number}: ${text}` : `${number}: ${text.padEnd(44)} ; ${note}`);
  }
  return lines.join('\n');
}

/** Where jumps of a function lead, in order; not those that lead out of it or into the middle of an instruction. */
function labelsOf(instruction: Instruction, references: readonly Reference[]): ReadonlyMap<number, string> {
  const targets = new Set<number>();
  for (const reference of references) {
    if (reference.kind !== 'jump-table') continue;
    for (const target of reference.targets) targets.add(target / INSTRUCTION_SIZE);
  }
  const starts: number[] = [];
  for (let index = 0; index < instruction.count; index += instruction.slots) {
    starts.push(index);
    const target = jumpTarget(instruction.at(index));
    if (target !== undefined) targets.add(target);
  }
  return new Map(starts.filter((start) => targets.has(start)).map((start, number) => [start, `L${number + 1}`]));
}

function jumpTarget(instruction: Instruction): number | undefined {
  const { index, opcode } = instruction;
  const narrow = instruction.class === InstructionClass.JMP32;
  if (!narrow && instruction.class !== InstructionClass.JMP) return undefined;
  const operation = opcode & 0xf0;
  if (operation === JumpOperation.CALL || operation === JumpOperation.EXIT) return undefined;
  const always = operation === JumpOperation.JA;
  if (always && !narrow && (opcode & 0x08) !== 0) return undefined;
  return index + 1 + (always && narrow ? instruction.immediate : instruction.offset);
}

function withNames(
  instruction: Instruction,
  reference: Reference | undefined,
  labels: ReadonlyMap<number, string>,
): string {
  const text = printInstruction(instruction);
  const named = reference === undefined ? undefined : nameOf(reference);
  if (named !== undefined) {
    const code = text.slice(0, text.indexOf(')') + 1);
    return instruction.isWide ? `${code} r${instruction.destination} = ${named}` : `${code} call ${named}`;
  }
  const target = jumpTarget(instruction);
  const label = target === undefined ? undefined : labels.get(target);
  return label === undefined ? text : `${text} <${label}>`;
}

function nameOf(reference: Reference): string {
  switch (reference.kind) {
    case 'map':
      return `map[${escapeControl(reference.map)}]`;
    case 'data':
      return `map[${escapeControl(reference.map)}][0]${signed(reference.offsetInMap)}`;
    case 'call':
      return escapeControl(reference.function);
    case 'function-address':
      return `subprog[${escapeControl(reference.function)}]`;
    case 'extern':
      return escapeControl(reference.name);
    case 'jump-table':
      return `${escapeControl(reference.table)}${signed(reference.offsetInTable)}`;
    case 'section':
      return `${escapeControl(reference.section)}${signed(reference.offsetInSection)}`;
  }
}

/** What instructions access of the kernel's types, and where the tables they take lead. */
function notesOf(
  object: ObjectSpec,
  spec: FunctionSpec,
  labels: ReadonlyMap<number, string>,
): ReadonlyMap<number, string> {
  const table = spec.coreRelocations;
  const notes = new Map(Array.from(table.offsets, (offset, row) => [offset, `CO-RE ${accessOf(object, table, row)}`]));
  for (const reference of spec.references) {
    if (reference.kind !== 'jump-table') continue;
    const leads = reference.targets.slice(0, mostListed).map((target) => labels.get(target / INSTRUCTION_SIZE) ?? '?');
    if (reference.targets.length > leads.length) leads.push('…');
    notes.set(reference.offset, `leads to ${leads.join(' ')}`);
  }
  return notes;
}

/** As the verifier prints lines since Linux 6.8: `; x = 1; @ a.bpf.c:12`. */
function sourceAt(object: ObjectSpec, spec: FunctionSpec, offset: number): string | undefined {
  const line = lineAt(object.btf, spec, offset);
  const match = line === undefined ? null : /^(.+?:\d+)(?:: (.*))?$/.exec(line);
  return match === null ? undefined : [';', match[2], '@', match[1]].filter((part) => part !== undefined).join(' ');
}

function signed(value: number): string {
  return value < 0 ? String(value) : `+${value}`;
}
