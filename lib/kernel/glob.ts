/** Whether a text is what a pattern says, in which `*` stands for any characters and `?` for one. No text takes long. */
export function globTest(glob: string): (text: string) => boolean {
  const expression = new RegExp(`^${globSource(glob, '[^]', 1).source}$`);
  return (text) => expression.test(text);
}

/** A pattern as the source of a regular expression, to be followed by what says that the text ends. */
export interface GlobSource {
  readonly source: string;
  /** How many groups it has. */
  readonly groups: number;
}

/** As {@link globTest}, within a regular expression: `one` stands for a character, and groups are numbered from `group` on. */
export function globSource(glob: string, one: string, group: number): GlobSource {
  const [first = '', ...others] = glob.split('*').map((part) => part.replace(/[^\w?]/g, '\\$&').replaceAll('?', one));
  const last = others.pop();
  if (last === undefined) return { source: first, groups: 0 };
  // A lookahead is not entered again to look for another place of a part: the first leaves the most for the others.
  const middle = others.filter((part) => part !== '').map((part, index) => `(?=(${one}*?${part}))\\${group + index}`);
  return { source: `${first}${middle.join('')}${one}*${last}`, groups: middle.length };
}
