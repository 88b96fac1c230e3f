import { basename } from 'node:path';

import type { AttachType, ProgramType } from '../abi/index.js';
import { Btf } from '../btf/index.js';
import { UsageError, requireKnown, unsigned32 } from '../errors/index.js';
import { openObject, programTypeName, requireLinux, tryWithObject, type ObjectSource } from '../kernel/index.js';
import { sectionTable, type SectionRule } from '../object/index.js';
import { objectInfo, readBtf, readProgramCode, type Handle, type ProgramInfo } from '../sys/index.js';

import type { Program, ProgramDetails } from './program.js';
import type { ProgramKind } from './program-kind.js';

/** How a program is opened. */
export interface OpenProgramOptions {
  /**
   * What it was loaded to be attached to: a value of {@link AttachType}. The kernel does not tell it of a program; it is wanted to
   * attach programs of types that have several, such as {@link CgroupSockAddr}, and known of the others.
   */
  readonly attachType?: AttachType | undefined;
}

/** A class of which programs are made. @internal */
export type ProgramClass = new (details: ProgramDetails) => Program;

let classOf: ((kind: string) => ProgramClass) | undefined;

/** Called by live-program.ts, which knows all classes; they in turn know only this file. @internal */
export function registerProgramClasses(choose: (kind: string) => ProgramClass): typeof liveProgram {
  classOf = choose;
  return liveProgram;
}

/** The live program that a handle stands for, of the class of its kind. @internal */
export function liveProgram(details: ProgramDetails): Program {
  const kind = chosenClass(details.spec.kind);
  return new kind(details);
}

/** Opens a program as a class; when it is of another, it is closed again. @internal */
export function openProgramAs<P extends Program>(
  kind: ProgramKind<P>,
  source: ObjectSource,
  options: OpenProgramOptions = {},
): P {
  requireKnown('option of opening a program', options, ['attachType']);
  const { attachType } = options;
  if (attachType !== undefined) unsigned32('attachType', attachType, 0);
  requireLinux();
  const handle = openObject('program', source);
  try {
    const info = objectInfo(handle, 'program');
    const program = liveProgram({ ...unowned, handle, spec: specOf(handle, info, kind, source, attachType) });
    if (isKind(program, kind)) return program;
    const problem = `it is a program of type ${programTypeName(info.type)}, not a ${kind.name}`;
    throw UsageError.invalidValue(`program ${info.id}`, problem);
  } catch (error) {
    handle.close();
    throw error;
  }
}

/** What a program is made from that no object of this process has. */
const unowned = {
  verifierLog: '',
  owner: {},
  onAttach: () => undefined,
  onDetach: () => undefined,
};

function isKind<P extends Program>(program: Program, kind: ProgramKind<P>): program is P {
  return Object.prototype.isPrototypeOf.call(kind.prototype, program);
}

function chosenClass(kind: string): ProgramClass {
  if (classOf === undefined) throw new Error('programs/live-program.js is not loaded');
  return classOf(kind);
}

/** What can be said of a program as its object would: sections of one type may stand for several classes. */
function specOf<P extends Program>(
  handle: Handle,
  info: ProgramInfo,
  wanted: ProgramKind<P>,
  source: ObjectSource,
  attachType: AttachType | undefined,
): ProgramDetails['spec'] {
  const type = info.type as ProgramType;
  const ofType = sectionTable.filter((rule) => rule.type === type);
  const given = attachType === undefined ? ofType : ofType.filter((rule) => rule.attachType === attachType);
  // As what it was asked for, else as the only class that there is for its type.
  const asked = given.filter((rule) => isClass(chosenClass(rule.kind), wanted));
  const classes = new Set(asked.map((rule) => chosenClass(rule.kind)));
  const rules = classes.size === 1 ? asked : [];
  return {
    name: nameOf(handle, info, source),
    section: only(rules, (rule) => rule.pattern.replace(/\+$/, '')) ?? '',
    kind: rules[0]?.kind ?? '',
    type,
    attachType: attachType ?? only(rules, (rule) => rule.attachType) ?? 0,
    attachTo: undefined,
    autoAttach: false,
  };
}

function isClass<P extends Program>(found: ProgramClass, wanted: ProgramKind<P>): boolean {
  const prototype: unknown = wanted.prototype;
  return (
    found.prototype === prototype || Object.prototype.isPrototypeOf.call(wanted.prototype, found.prototype as object)
  );
}

/** What all rules agree on. */
function only<Value>(rules: readonly SectionRule[], value: (rule: SectionRule) => Value): Value | undefined {
  const values = new Set(rules.map(value));
  return values.size === 1 ? [...values][0] : undefined;
}

/** The C function's name, of which the kernel itself keeps 15 characters. */
function nameOf(handle: Handle, { name, btfId }: ProgramInfo, source: ObjectSource): string {
  const [first] = btfId === 0 ? [] : readProgramCode(handle).functionTypes;
  const full =
    first === undefined
      ? undefined
      : tryWithObject('btf', btfId, (btf) => Btf.parse(readBtf(btf), { name: `BTF ${btfId}` }).nameOf(first));
  if (full !== undefined && full !== '') return full;
  return name === '' && typeof source === 'string' ? basename(source) : name;
}
