import { basename } from 'node:path';

import { AttachType, ProgramType } from '../abi/index.js';
import { Btf } from '../btf/index.js';
import { UsageError, requireKnown, unsigned32 } from '../errors/index.js';
import { openObject, programTypeName, requireLinux, tryWithObject, type ObjectSource } from '../kernel/index.js';
import { sectionTable, type SectionRule } from '../object/index.js';
import { objectInfo, readBtf, readProgramCode, type Handle, type ProgramInfo } from '../sys/index.js';

import { attachTargetOf } from './attach-target.js';
import { askAttachType, linkedAs } from './attach-type.js';
import type { Program, ProgramDetails } from './program.js';
import type { ProgramKind } from './program-kind.js';

/** How a program is opened. */
export interface OpenProgramOptions {
  /**
   * What it was loaded to be attached to: a value of {@link AttachType}. Wanted where {@link Program.open} cannot find it out: of
   * {@link CgroupSkb}, and of programs of cgroups on kernels before 5.7.
   */
  readonly attachType?: AttachType | undefined;
}

/** The word for a program of one function of which nothing more is known, beside those of the table of sections. @internal */
export const functionKind = 'function';

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
    const program = liveProgram({ ...unowned, handle, ...found(handle, info, kind, source, attachType) });
    if (isKind(program, kind)) return program;
    const problem = `it is a program of type ${programTypeName(info.type)}, not a ${kind.name}`;
    throw UsageError.invalidValue(`program ${info.id}`, problem + hint(program.mayBe));
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

function hint(classes: readonly string[]): string {
  return classes.length === 0 ? '' : `; ask for ${classes.join(' or ')}`;
}

function chosenClass(kind: string): ProgramClass {
  if (classOf === undefined) throw new Error('programs/live-program.js is not loaded');
  return classOf(kind);
}

/** What can be said of a program as its object would: sections of one type may stand for several classes. */
function found<P extends Program>(
  handle: Handle,
  info: ProgramInfo,
  wanted: ProgramKind<P>,
  source: ObjectSource,
  given: AttachType | undefined,
): Pick<ProgramDetails, 'spec' | 'mayBe'> {
  const type = info.type as ProgramType;
  const attachType = given ?? askAttachType(handle, type) ?? (isOfFunction(wanted) ? linkedAs(info.id) : undefined);
  const target = attachTargetOf(info);
  const possible = sectionTable.filter(
    (rule) => rule.type === type && isFor(rule, attachType) && target?.fits(rule) !== false,
  );
  // As what it was asked for, else as the only class that there is for its type.
  const asked = possible.filter((rule) => isClass(chosenClass(rule.kind), wanted));
  const classes = new Set(asked.map((rule) => chosenClass(rule.kind)));
  const rules = classes.size === 1 ? asked : [];
  const onlyAttachType = only(rules, (rule) => rule.attachType);
  return {
    spec: {
      name: nameOf(handle, info, source),
      section: onlyAttachType === undefined ? '' : (rules[0]?.pattern.replace(/\+$/, '') ?? ''),
      kind: rules[0]?.kind ?? commonKind(asked),
      type,
      attachType: attachType ?? onlyAttachType ?? 0,
      attachTo: target?.name,
      autoAttach: false,
    },
    mayBe: [...new Set(possible.map((rule) => chosenClass(rule.kind).name))].filter((name) => name !== 'Program'),
  };
}

/** Whether it is {@link Fentry} or the like, which the kernel does not tell apart. */
function isOfFunction<P extends Program>(wanted: ProgramKind<P>): boolean {
  return Object.prototype.isPrototypeOf.call(chosenClass(functionKind).prototype, wanted.prototype);
}

/** Whether programs of such sections may have been loaded for an attach type; undefined when that is not known. */
function isFor(rule: SectionRule, attachType: AttachType | undefined): boolean {
  if (attachType === undefined || rule.attachType === attachType) return true;
  // They are loaded for perf events where the kernel has no such links.
  return attachType === 0 && rule.attachType === AttachType.TRACE_UPROBE_MULTI;
}

/** What {@link FunctionProgram} is the class of: the kernel knows which of several it is, and attaches it as that. */
function commonKind(rules: readonly SectionRule[]): string {
  const isOfFunctions =
    rules.length > 0 && rules.every(({ type, attachesByBtf }) => type === ProgramType.TRACING && attachesByBtf);
  return isOfFunctions && rules.every(({ kind }) => kind !== 'tp_btf' && kind !== 'iter') ? functionKind : '';
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
