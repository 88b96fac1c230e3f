import { UsageError, quote } from '../errors/index.js';

import type { KernelFunction } from './function-list.js';
import { globSource, globTest } from './glob.js';

/**
 * Which functions of the kernel: a name, a name with `*` for any characters and `?` for one, or a regular expression. Names may
 * follow a module's, `nf_conntrack:nf_ct_*`, where `vmlinux` is the kernel proper; without one, modules do not matter.
 */
export type KernelFunctionPattern = string | RegExp;

/** What names may consist of: symbols of C and Rust, and what compilers put behind them. */
const shape = /^(?:([\w*?-]+):)?([\w.$*?]+)$/;

/** Of names in a text with lines. */
const anyCharacter = '\\S';
const anyName = `${anyCharacter}+`;
/** Of a regular expression, which tries one after another. */
const mostAlternatives = 16;

/** Whether a pattern stands for one name. */
export function isExact(pattern: KernelFunctionPattern): pattern is string {
  return typeof pattern === 'string' && !/[*?]/.test(pattern);
}

interface ExactChoice {
  readonly pattern: string;
  readonly module: string | undefined;
  /** The places of what it has chosen in the caller's list. */
  readonly found: number[];
}

interface LooseChoice {
  readonly pattern: KernelFunctionPattern;
  /** What it says of names, but for a regular expression. */
  readonly glob?: string;
  /** Whether it says nothing else. */
  readonly isNameOnly?: boolean;
  matches(name: string, module: string | undefined): boolean;
  hasFound: boolean;
}

/** Chooses functions by patterns, and knows what each pattern has chosen. */
export class FunctionChoice {
  readonly #exact = new Map<string, ExactChoice[]>();
  readonly #loose: LooseChoice[] = [];

  /** @throws {UsageError} for a text that cannot be a function's name. */
  constructor(patterns: readonly KernelFunctionPattern[]) {
    for (const pattern of new Set(patterns)) {
      if (pattern instanceof RegExp) this.#loose.push({ pattern, matches: expressionTest(pattern), hasFound: false });
      else this.#addText(pattern);
    }
  }

  /** Whether a pattern stands for more than one name. */
  get isLoose(): boolean {
    return this.#loose.length > 0;
  }

  /**
   * The source of a regular expression that the names which a pattern may ask for fit, and few others. Its groups are numbered from
   * `group` on.
   */
  nameSource(group: number): string {
    const globs = [...this.#exact.keys(), ...this.#loose.map(({ glob }) => glob)];
    if (globs.length > mostAlternatives) return anyName;
    const sources: string[] = [];
    for (const glob of globs) {
      if (glob === undefined) return anyName;
      const { source, groups } = globSource(glob, anyCharacter, group);
      sources.push(source);
      group += groups;
    }
    return `(?:${sources.join('|')})(?!${anyCharacter})`;
  }

  /** Whether a pattern asks for a function. One that is not `safe` must be named exactly. */
  wants(name: string, module: string | undefined, safe: boolean): boolean {
    if (this.#exact.get(name)?.some((choice) => isOf(choice, module)) === true) return true;
    return safe && this.#loose.some((choice) => choice.matches(name, module));
  }

  /** As {@link wants}, and takes note of it: the function will be at `index` of the caller's list. */
  takes(name: string, module: string | undefined, safe: boolean, index: number): boolean {
    let isWanted = false;
    if (this.#exact.size > 0) {
      for (const choice of this.#exact.get(name) ?? []) {
        if (!isOf(choice, module)) continue;
        choice.found.push(index);
        isWanted = true;
      }
    }
    if (!safe) return isWanted;
    for (const choice of this.#loose) {
      // One is enough, but for those that have found nothing yet.
      if ((isWanted && choice.hasFound) || !choice.matches(name, module)) continue;
      choice.hasFound = true;
      isWanted = true;
    }
    return isWanted;
  }

  /** As {@link takes}, of a name that fits {@link nameSource}. */
  takesFitting(name: string, module: string | undefined, safe: boolean, index: number): boolean {
    const [choice, another] = this.#loose;
    // Most often there is one pattern, and no more to look at.
    if (choice?.isNameOnly !== true || another !== undefined || this.#exact.size > 0) {
      return this.takes(name, module, safe, index);
    }
    choice.hasFound ||= safe;
    return safe;
  }

  /** The first pattern that has chosen nothing. */
  get missing(): KernelFunctionPattern | undefined {
    for (const choices of this.#exact.values()) {
      const choice = choices.find(({ found }) => found.length === 0);
      if (choice !== undefined) return choice.pattern;
    }
    return this.#loose.find(({ hasFound }) => !hasFound)?.pattern;
  }

  /** A name that stands for several functions, and their places in the caller's list. */
  get ambiguous(): { readonly pattern: string; readonly found: readonly number[] } | undefined {
    for (const choices of this.#exact.values()) {
      const choice = choices.find(({ found }) => found.length > 1);
      if (choice !== undefined) return choice;
    }
    return undefined;
  }

  #addText(text: unknown): void {
    const [, owner, name] = (typeof text === 'string' ? shape.exec(text) : null) ?? [];
    if (typeof text !== 'string' || name === undefined) {
      throw UsageError.invalidValue(
        'functions',
        `must be names of kernel functions, such as 'vfs_read', 'tcp_*' or 'nf_conntrack:*', not ${quote(String(text))}`,
      );
    }
    // Modules are named by their files, where either is used, and by the kernel.
    const module = owner?.replaceAll('-', '_');
    if (isExact(text)) {
      const choice = { pattern: text, module, found: [] };
      const others = this.#exact.get(name);
      if (others === undefined) this.#exact.set(name, [choice]);
      else others.push(choice);
      return;
    }
    const [isName, isModule] = [globTest(name), module === undefined ? undefined : globTest(module)];
    const matches: LooseChoice['matches'] =
      isModule === undefined ? isName : (one, of) => isName(one) && isModule(of ?? 'vmlinux');
    this.#loose.push({ pattern: text, glob: name, isNameOnly: module === undefined, matches, hasFound: false });
  }
}

function isOf(choice: ExactChoice, module: string | undefined): boolean {
  return choice.module === undefined || choice.module === (module ?? 'vmlinux');
}

function expressionTest(expression: RegExp): LooseChoice['matches'] {
  // Its own position must play no part.
  const plain = new RegExp(expression.source, expression.flags.replace(/[gy]/g, ''));
  return (name) => plain.test(name);
}

/** That a name stands for several functions, with where they are. */
export function ambiguousName(
  path: string,
  name: string,
  found: readonly (Pick<KernelFunction, 'address'> & { readonly module?: string | undefined })[],
  cause?: unknown,
): UsageError {
  const places = found.map(({ address, module }) => {
    return `0x${address.toString(16)}${module === undefined ? '' : ` (${quote(module)})`}`;
  });
  return UsageError.invalidValue(
    path,
    `the kernel has ${found.length} symbols named ${quote(name)}, at ${places.join(', ')}; choose one by its address`,
    { cause },
  );
}
