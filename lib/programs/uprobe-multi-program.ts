import { UsageError, escapeControl, quote } from '../errors/index.js';
import { UprobeMultiLink, type AttachedPlace } from '../links/index.js';
import { choosePlaces, openTarget, type UserPlaceChoice, type UserTarget } from '../user-space/index.js';

import { attachFailure } from './attach-failure.js';
import { Program, type AttachOptions } from './program.js';
import { linkToPlaces, type PlaceToAttach } from './uprobe-multi-attach.js';
import { checkPid, splitSection } from './user-probe.js';

/** Where {@link UprobeMultiProgram.attach} attaches. */
export interface UprobeMultiAttachOptions extends AttachOptions {
  /** The program or library. Without it the section says which, and where in it. */
  readonly target?: UserTarget | undefined;
  /**
   * The places in it: functions by name, `malloc`, pattern, `SSL_*`, or regular expression, and single places such as
   * `{ address: 0x401000 }`. Without it the section says which.
   */
  readonly functions?: UserPlaceChoice | readonly UserPlaceChoice[] | undefined;
  /**
   * Only in that process, threads included; without it in the target's when that is a process, else in every process, those
   * that start later included. Least kernel: 6.10, or one before 6.6, where it costs a perf event for each place.
   */
  readonly pid?: number | undefined;
  /** What the program reads with `bpf_get_attach_cookie`: a number, or what gives one to each place. */
  readonly cookie?: number | bigint | ((place: AttachedPlace) => number | bigint) | undefined;
  /** What gives each place its counter: where in the file 16 bits are that the kernel raises meanwhile; undefined for none. */
  readonly counterOffset?: ((place: AttachedPlace) => number | undefined) | undefined;
}

/** What the programs of many places in user space have in common: {@link UprobeMulti}, {@link UretprobeMulti}, {@link UprobeSession}. */
export class UprobeMultiProgram extends Program {
  /**
   * Attaches to the places that the section names, or to others, with one link; on kernels before 6.6 with a perf event for
   * each place.
   *
   * @throws {@link UsageError} when a name or pattern stands for nothing, with the nearest names;
   * {@link ObjectFormatError} for a target that is no ELF file; {@link UnsupportedError} for a kernel that cannot;
   * {@link PermissionError}.
   */
  override async attach(options: UprobeMultiAttachOptions = {}): Promise<UprobeMultiLink> {
    const { signal, cookie, counterOffset } = options;
    signal?.throwIfAborted();
    checkPid(options.pid);
    const { target, choices } = this.#chosen(options);
    // Asked for before places are looked up: a closed program needs none.
    const program = this.handle;
    const file = await openTarget(target);
    try {
      const places = await choosePlaces(file, choices, signal);
      const words = escapeControl(`${this.probeKind} ${file.name}:${wordsOf(choices)}`);
      try {
        const handle = await linkToPlaces({
          program,
          attachType: this.attachType,
          path: file.path,
          pid: options.pid ?? file.pid,
          places: places.map((place) => toAttach(place, cookie, counterOffset)),
          atReturn: this.atReturn,
          target: words,
          signal,
        });
        const text = `${words} (${places.length} ${places.length === 1 ? 'place' : 'places'})`;
        return await this.attached(UprobeMultiLink, handle, text, signal, { places });
      } catch (error) {
        throw attachFailure(error, this.name, words, ['CAP_SYS_ADMIN', 'CAP_BPF'], true);
      }
    } finally {
      file.close();
    }
  }

  /** Such as `uprobe.multi`. @internal */
  protected get probeKind(): string {
    return this.section.replace(/^\?|\/.*$/gs, '');
  }

  /** @internal */
  protected get atReturn(): boolean {
    return false;
  }

  protected override sectionObstacle(): string | undefined {
    return this.attachTo === undefined ? `its section ${quote(this.section)} names no places in user space` : undefined;
  }

  #chosen(options: UprobeMultiAttachOptions): { target: UserTarget; choices: readonly UserPlaceChoice[] } {
    const said = options.target === undefined && this.attachTo !== undefined ? splitSection(this.attachTo) : undefined;
    const target = options.target ?? said?.target;
    const functions = options.functions ?? said?.place;
    if (target === undefined || functions === undefined) {
      const path = target === undefined ? 'target' : 'functions';
      throw UsageError.invalidValue(
        path,
        `section ${quote(this.section)} of program ${quote(this.name)} names none; give { target: 'libssl', functions: 'SSL_*' }`,
      );
    }
    const choices = isList(functions) ? functions : [functions];
    if (choices.length === 0) throw UsageError.invalidValue('functions', 'must not be empty');
    return { target, choices };
  }
}

function isList(given: UserPlaceChoice | readonly UserPlaceChoice[]): given is readonly UserPlaceChoice[] {
  return Array.isArray(given);
}

function toAttach(
  place: AttachedPlace,
  cookie: UprobeMultiAttachOptions['cookie'],
  counterOffset: UprobeMultiAttachOptions['counterOffset'],
): PlaceToAttach {
  const counter = counterOffset?.(place) ?? 0;
  if (!Number.isSafeInteger(counter) || counter < 0) {
    throw UsageError.invalidValue('counterOffset', `must give places in the file, not ${String(counter)}`);
  }
  return { ...place, cookie: cookieOf(place, cookie ?? 0), counterOffset: counter };
}

function cookieOf(place: AttachedPlace, cookie: Exclude<UprobeMultiAttachOptions['cookie'], undefined>): bigint {
  const value = typeof cookie === 'function' ? cookie(place) : cookie;
  if (typeof value === 'bigint' ? BigInt.asUintN(64, value) !== value : !Number.isSafeInteger(value) || value < 0) {
    throw UsageError.invalidValue('cookie', `must be an integer from 0 to 2**64 - 1, not ${String(value)}`);
  }
  return BigInt(value);
}

/** The first few, for people. */
function wordsOf(choices: readonly UserPlaceChoice[]): string {
  const words = choices.slice(0, 3).map((choice) => {
    if (typeof choice === 'string' || choice instanceof RegExp) return String(choice);
    const { function: name, offset, address } = choice;
    return name ?? (offset === undefined ? `0x${(address ?? 0).toString(16)}` : `+0x${offset.toString(16)}`);
  });
  const more = choices.length - words.length;
  return words.join(', ') + (more > 0 ? ` and ${more} more` : '');
}
