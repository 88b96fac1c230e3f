/** Why a CO-RE relocation cannot be done; whoever knows the program and line makes a RelocationError of it. */
export class CoreProblem extends Error {}

/** Comparisons that one relocation may make. Real ones need a few thousand, a whole `task_struct` 100,000; a crafted file could ask for 2^60. */
const MOST_STEPS = 2_000_000;
/** What each question adds for those that follow: a crafted file could also ask the dearest one many times over. */
const STEPS_PER_QUESTION = 2_000;

/** Ends comparisons of types that would take forever: those of one object together. */
export class Budget {
  #left = MOST_STEPS;

  /** One more question is going to be answered. */
  ask(): void {
    this.#left += STEPS_PER_QUESTION;
  }

  spend(steps = 1): void {
    this.#left -= steps;
    if (this.#left < 0) throw new CoreProblem('the types are nested so deeply that comparing them would not end');
  }
}
