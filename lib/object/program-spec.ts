import type { AttachType, ProgramType } from '../abi/index.js';
import type { FunctionSpec } from './function-spec.js';

/** What a {@link ProgramSpec} is made of. */
export interface ProgramSpecOptions {
  readonly name: string;
  readonly section: string;
  readonly kind: string;
  readonly type: ProgramType;
  readonly attachType: AttachType;
  readonly attachTo?: string | undefined;
  readonly ofProgram?: boolean;
  readonly autoload?: boolean;
  readonly optional?: boolean;
  readonly autoAttach?: boolean;
  readonly flags?: number;
  readonly function: FunctionSpec;
}

/**
 * A program of an object, not yet loaded. Everything but its name, section and code can be changed before a load.
 *
 * @example
 * ```js
 * const spec = ObjectSpec.parse(bytes);
 * spec.program('on_exec').autoload = false;
 * ```
 */
export class ProgramSpec {
  readonly name: string;
  /** As written in the source, with a leading `?`. */
  readonly section: string;
  /** Which kind of section it is, one word for all spellings: `tracepoint`, `raw_tp`, `tp_btf`, …; empty when unknown. */
  readonly kind: string;
  readonly function: FunctionSpec;
  /** UNSPEC when the section's name says nothing: give it before the load. */
  type: ProgramType;
  /** `expected_attach_type` of the load. */
  attachType: AttachType;
  /** What follows the first `/` of the section: `cat/name` of a tracepoint, the kernel function of an fentry program. */
  attachTo: string | undefined;
  /** Whether `attachTo` is a function of a loaded program, which the load's option `programs` gives; of freplace always. */
  ofProgram: boolean;
  /** Whether a load includes it. False for sections that begin with `?`. */
  autoload: boolean;
  /**
   * Whether a load does without it where this kernel does not take it, and `Ebpf.attach()` where it cannot be attached: see
   * the load's option `optional`. Of a program of a structure of operations it says nothing: that goes with its map.
   */
  optional: boolean;
  /** Whether `Ebpf.attach()` attaches it. */
  autoAttach: boolean;
  /** BPF_PROG_LOAD flags (BPF_F_SLEEPABLE, …). */
  flags: number;

  constructor(options: ProgramSpecOptions) {
    this.name = options.name;
    this.section = options.section;
    this.kind = options.kind;
    this.type = options.type;
    this.attachType = options.attachType;
    this.attachTo = options.attachTo;
    this.ofProgram = options.ofProgram ?? options.kind === 'freplace';
    this.autoload = options.autoload ?? true;
    this.optional = options.optional ?? false;
    this.autoAttach = options.autoAttach ?? true;
    this.flags = options.flags ?? 0;
    this.function = options.function;
  }

  /** The program's own code as compiled, eight bytes an instruction in the object's byte order. Never to be written. */
  get instructions(): Uint8Array {
    return this.function.code;
  }

  /** A copy whose edits do not reach this one. The code is shared: it is never written. */
  clone(): ProgramSpec {
    return new ProgramSpec(this);
  }
}
