import { type Btf, BtfKind } from '../btf/index.js';
import { escapeControl, quote, RelocationError } from '../errors/index.js';
import type { FunctionSpec, ObjectSpec, ProgramSpec } from '../object/index.js';
import { logLevelOf, withoutDisabledLogs } from './disabled-logs.js';
import { LinkedFunctions, placeOf } from './linked-functions.js';
import { lineAt } from './source-line.js';

/** What a BTF declaration tag on a program begins with that names its exception callback (Linux 6.7). */
const EXCEPTION_CALLBACK = 'exception_callback:';

/** Finds the functions that each program of an object is made of. */
export class FunctionLinker {
  readonly #object: ObjectSpec;
  readonly #logLevel: ReturnType<typeof logLevelOf>;
  /** What functions are without the logs of disabled levels: several programs may have them. */
  readonly #logged = new Map<FunctionSpec, FunctionSpec>();
  /** Names of exception callbacks by the BTF id of the program's function. */
  #exceptionCallbacks: ReadonlyMap<number, string> | undefined;

  constructor(object: ObjectSpec) {
    this.#object = object;
    this.#logLevel = logLevelOf(object);
  }

  /**
   * The functions of a program: its own, then each that it calls or takes the address of, once, in the order of a walk
   * that follows each call before it goes on.
   *
   * @throws {RelocationError} for recursion, with the chain of calls, and for what cannot be called.
   */
  link(program: ProgramSpec): LinkedFunctions {
    return new LinkedFunctions(this.reach(program, new Set()));
  }

  /**
   * Those of a program's functions that are not `known`, by where they are, and from then on are: programs share
   * functions, and what all of them are made of can be told without seeing any twice.
   *
   * @throws {RelocationError} as {@link link} does.
   */
  reach(program: ProgramSpec, known: Set<string>): FunctionSpec[] {
    const found: FunctionSpec[] = [];
    this.#walk(program, this.#asLogged(program.function), known, found);
    const callback = this.#exceptionCallback(program);
    if (callback !== undefined) this.#walk(program, this.#asLogged(callback), known, found);
    this.#refuseRecursion(program, found);
    return found;
  }

  /**
   * The function that a reference of `caller` names.
   *
   * @throws {RelocationError} when it is none that can be called.
   */
  callee(program: ProgramSpec, caller: FunctionSpec, reference: { function: string; offset: number }): FunctionSpec {
    const found = this.#object.functions.get(reference.function);
    if (found !== undefined) return this.#asLogged(found);
    throw new RelocationError('it cannot be called: only functions outside program sections (in .text) can', {
      program: program.name,
      line: lineAt(this.#object.btf, caller, reference.offset),
      access: quote(reference.function),
    });
  }

  #asLogged(spec: FunctionSpec): FunctionSpec {
    if (this.#logLevel === undefined) return spec;
    let found = this.#logged.get(spec);
    if (found === undefined) {
      found = withoutDisabledLogs(spec, this.#logLevel);
      this.#logged.set(spec, found);
    }
    return found;
  }

  /** Adds what `start` reaches. A list of its own stands for the call stack: a crafted object may nest any depth. */
  #walk(program: ProgramSpec, start: FunctionSpec, known: Set<string>, found: FunctionSpec[]): void {
    if (known.has(placeOf(start))) return;
    known.add(placeOf(start));
    found.push(start);
    const path = [{ spec: start, next: 0 }];
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const reference = top.spec.references[top.next++];
      if (reference === undefined) path.pop();
      if (reference?.kind !== 'call' && reference?.kind !== 'function-address') continue;
      const callee = this.callee(program, top.spec, reference);
      if (known.has(placeOf(callee))) continue;
      known.add(placeOf(callee));
      found.push(callee);
      path.push({ spec: callee, next: 0 });
    }
  }

  /** A callback may take its own address (a timer that starts itself again); a function must not call itself. */
  #refuseRecursion(program: ProgramSpec, functions: readonly FunctionSpec[]): void {
    // What was known before was looked at before, with all that it calls.
    const unfinished = new Set(functions.map(placeOf));
    for (const start of functions) {
      if (!unfinished.has(placeOf(start))) continue;
      const path = [{ spec: start, next: 0 }];
      const onPath = new Set([placeOf(start)]);
      for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
        const reference = top.spec.references[top.next++];
        if (reference === undefined) {
          path.pop();
          onPath.delete(placeOf(top.spec));
          unfinished.delete(placeOf(top.spec));
        }
        if (reference?.kind !== 'call') continue;
        const callee = this.callee(program, top.spec, reference);
        if (onPath.has(placeOf(callee))) {
          const chain = path.map(({ spec }) => spec);
          throw this.#recursion(program, chain, callee, reference.offset);
        }
        if (!unfinished.has(placeOf(callee))) continue;
        onPath.add(placeOf(callee));
        path.push({ spec: callee, next: 0 });
      }
    }
  }

  #recursion(
    program: ProgramSpec,
    path: readonly FunctionSpec[],
    callee: FunctionSpec,
    offset: number,
  ): RelocationError {
    const names = [...path, callee].map((spec) => escapeControl(spec.name));
    const from = path.findIndex((spec) => placeOf(spec) === placeOf(callee));
    const circle = names.slice(from);
    const shown = circle.length > 12 ? [...circle.slice(0, 6), '…', ...circle.slice(-5)] : circle;
    return new RelocationError(`BPF functions cannot be recursive: ${shown.join(' calls ')}`, {
      program: program.name,
      line: lineAt(this.#object.btf, path.at(-1) ?? callee, offset),
      access: quote(callee.name),
    });
  }

  /** The function that the kernel is to run when this program throws an exception; called by nobody. */
  #exceptionCallback(program: ProgramSpec): FunctionSpec | undefined {
    const { btf, functions } = this.#object;
    if (btf === undefined || program.function.btfTypeId === 0) return undefined;
    this.#exceptionCallbacks ??= exceptionCallbacks(btf);
    const name = this.#exceptionCallbacks.get(program.function.btfTypeId);
    if (name === undefined) return undefined;
    const callback = functions.get(name);
    if (callback === undefined || callback.linkage === 'static' || callback.hidden) {
      throw new RelocationError('an exception callback must be a global function of .text', {
        program: program.name,
        access: quote(name),
      });
    }
    return callback;
  }
}

function exceptionCallbacks(btf: Btf): Map<number, string> {
  const found = new Map<number, string>();
  for (let id = btf.startId; id < btf.endId; id++) {
    if (btf.kind(id) !== BtfKind.DECL_TAG) continue;
    const tag = btf.type(id);
    if (tag.kind !== BtfKind.DECL_TAG || !tag.name.startsWith(EXCEPTION_CALLBACK)) continue;
    if (tag.componentIndex === -1) found.set(tag.type, tag.name.slice(EXCEPTION_CALLBACK.length));
  }
  return found;
}
