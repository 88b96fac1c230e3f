/** Why a CO-RE relocation cannot be done; whoever knows the program and line makes a RelocationError of it. */
export class CoreProblem extends Error {}

/** Comparisons that one relocation may make. Real ones need a few thousand, a whole `task_struct` 100,000; a crafted file could ask for 2^60. */
const MOST_STEPS = 2_000_000;

/** Ends a comparison of types that would take forever. */
export class Budget {
  #left = MOST_STEPS;

  spend(): void {
    if (--this.#left < 0) throw new CoreProblem('the types are nested so deeply that comparing them would not end');
  }
}
