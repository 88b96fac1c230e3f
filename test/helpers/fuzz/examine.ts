import { inspect } from 'node:util';

import { disassemble } from '../../../lib/asm/index.js';
import { Btf, typeName, type BtfKind } from '../../../lib/btf/index.js';
import { typescriptFromBtf } from '../../../lib/codec/index.js';
import { EbpfError, escapeControl, ObjectFormatError } from '../../../lib/errors/index.js';
import { ObjectSpec } from '../../../lib/object/index.js';
import { disassemble as disassembleProgram, needs, relocate, type KernelFacts } from '../../../lib/relocate/index.js';
import { metered, type Cost } from './meter.js';

/** How far an object gets: refused by the reader, by the relocation of one of its programs, or ready for the kernel. */
export type Outcome = 'refused' | 'read' | 'relocated';

/** Reads and bytes that any object may cost, and those that each of its bytes may cost on top. */
const STEPS = 3_000_000;
const STEPS_PER_BYTE = 2_000;
const BYTES = 1_000_000;
const BYTES_PER_BYTE = 400;
/** Programs relocated of one object. */
const MOST_PROGRAMS = 20;
/** Of a data map whose variables are read and set: zeros that only a header claims, a `.bss` of 4 GiB, do no harm unread. */
const LARGEST_MAP = 65_536;
/** Of a value that is printed; larger ones are refused for want of bytes. */
const LARGEST_PRINTED = 256;

/**
 * Does with an object all that the pure rooms can do without a kernel: parse, needs, relocate, print. Throws when that
 * ends in anything but success or an error of ours that says where, or costs more than the object's size explains.
 */
export function examine(bytes: Uint8Array, kernel: Uint8Array): Outcome {
  const allowed = STEPS + STEPS_PER_BYTE * (bytes.byteLength + kernel.byteLength);
  let outcome: Outcome = 'refused';
  const cost = metered(allowed, () => {
    attempt(() => {
      const object = ObjectSpec.parse(bytes, { name: 'mutated.o' });
      outcome = 'read';
      print(object);
      if (load(object, kernel)) outcome = 'relocated';
    });
  });
  requireModest(cost, bytes.byteLength + kernel.byteLength);
  return outcome;
}

function requireModest({ allocated }: Cost, size: number): void {
  const allowed = BYTES + BYTES_PER_BYTE * size;
  if (allocated > allowed) throw new Error(`${allocated} bytes were allocated for ${size} bytes of input`);
}

/** Whether `act` succeeded; false when it ended in an error that is worthy of the library. */
function attempt(act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    requireHelpful(error);
    return false;
  }
}

function requireHelpful(error: unknown): void {
  if (!EbpfError.is(error)) throw error;
  requirePrintable(error.message);
  if (error instanceof ObjectFormatError && error.section === undefined && error.offset === undefined) {
    throw new Error(`an error that does not say where: ${error.message}`);
  }
}

/** Names are the file's to choose: none may reach a terminal as it is. */
function requirePrintable(text: string): void {
  const lines = text.replaceAll('\n', '').replaceAll('\t', '');
  if (escapeControl(lines) !== lines) throw new Error(`control characters are printed: ${JSON.stringify(text)}`);
}

function print(object: ObjectSpec): void {
  requirePrintable(object.warnings.join());
  for (const spec of [...object.programs.values()]
    .map((program) => program.function)
    .concat(...object.functions.values())) {
    requirePrintable(disassemble(spec.code, object.littleEndian));
  }
  for (const name of [...object.programs.keys()].slice(0, MOST_PROGRAMS)) {
    attempt(() => {
      requirePrintable(disassembleProgram(object, name));
    });
  }
  const copy = object.clone();
  for (const variable of copy.variables.values()) {
    if (copy.map(variable.map).valueSize > LARGEST_MAP) continue;
    attempt(() => {
      const { value } = variable;
      variable.value = value;
      inspect(value, { depth: 3 });
    });
  }
  const { btf } = object;
  for (let id = 0; btf !== undefined && id < btf.endId; id++) {
    typeName(btf, id);
    attempt(() => btf.sizeOf(id));
    attempt(() => btf.alignmentOf(id));
    attempt(() => {
      const value = new Uint8Array(Math.min(btf.sizeOf(id), LARGEST_PRINTED) + 3).fill(0x5a);
      requirePrintable(btf.printValue(id, value, { compact: true, zeros: true }));
    });
  }
  attempt(() => object.btfBytes);
  attempt(() => requirePrintable(btf?.toC() ?? ''));
  attempt(() => requirePrintable(btf === undefined ? '' : typescriptFromBtf(btf)));
}

/** Whether every program that is to be loaded could be. */
function load(object: ObjectSpec, kernel: Uint8Array): boolean {
  let ready = true;
  attempt(() => {
    requirePrintable(needs(object).reasons.join());
  });
  const { littleEndian } = object;
  // An old kernel, for which types are rewritten, and a new one.
  const kernels = [new Set<BtfKind>(), undefined];
  // One by one: what is wrong with one program hides nothing of the next.
  const wanted = [...object.programs.values()].filter(({ autoload }) => autoload);
  for (const program of wanted) program.autoload = false;
  for (const program of wanted.slice(0, MOST_PROGRAMS)) {
    program.autoload = true;
    ready =
      attempt(() => {
        const btf = Btf.parse(kernel, { name: 'vmlinux' });
        const plan = relocate(object, factsFor(object, btf, kernels.shift()));
        for (const { code, poisons, sourceLine } of plan.programs()) {
          requirePrintable(disassemble(code, littleEndian));
          for (const { instruction, access, reason } of poisons) {
            requirePrintable(`${access} ${reason} ${sourceLine(instruction) ?? ''}`);
          }
        }
      }) && ready;
    program.autoload = false;
  }
  return ready;
}

/** A kernel that has every symbol and option that the object asks for. */
function factsFor(object: ObjectSpec, btf: Btf, btfKinds: ReadonlySet<BtfKind> | undefined): KernelFacts {
  const { symbols, variables, kconfig } = needs(object);
  return {
    littleEndian: object.littleEndian,
    btf,
    btfKinds,
    possibleCpus: 8,
    pageSize: 4096,
    symbols: new Map([...symbols, ...variables].map((name) => [name, [{ address: 0xffff_ffff_8100_0000n }]])),
    kconfig: {
      options: new Map([...kconfig].map((name) => [name, { text: '1', source: 'config' }])),
      places: ['config'],
    },
  };
}
