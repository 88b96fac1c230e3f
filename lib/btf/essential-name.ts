const underscore = 0x5f;

/**
 * The name without its flavour: `task_struct` for `task_struct___old`. A flavour is what follows the last three
 * underscores that stand between two other characters; a name without one is returned as it is. CO-RE compares
 * essential names only, so that an object can describe several kernels' versions of one type.
 */
export function essentialName(name: string): string {
  for (let at = name.length - 5; at >= 0; at--) {
    if (
      name.charCodeAt(at + 1) === underscore &&
      name.charCodeAt(at + 2) === underscore &&
      name.charCodeAt(at + 3) === underscore &&
      name.charCodeAt(at) !== underscore &&
      name.charCodeAt(at + 4) !== underscore
    ) {
      return name.slice(0, at + 1);
    }
  }
  return name;
}
