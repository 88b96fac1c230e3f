/** Whether a text is what a pattern says, in which `*` stands for any characters and `?` for one. No text takes long. */
export function globTest(glob: string): (text: string) => boolean {
  const [first = new Part(''), ...others] = glob.split('*').map((part) => new Part(part));
  const last = others.pop();
  if (last === undefined) return (text) => text.length === first.length && first.isAt(text, 0);
  const rest = others.filter(({ length }) => length > 0);
  return (text) => {
    const end = text.length - last.length;
    if (end < first.length || !first.isAt(text, 0) || !last.isAt(text, end)) return false;
    let from = first.length;
    for (const part of rest) {
      // The first place leaves the most for the others.
      const place = part.findIn(text, from, end);
      if (place < 0) return false;
      from = place + part.length;
    }
    return true;
  };
}

/** A pattern's part between stars. */
class Part {
  readonly length: number;
  readonly #text: string;
  readonly #hasMarks: boolean;

  constructor(text: string) {
    this.#text = text;
    this.length = text.length;
    this.#hasMarks = text.includes('?');
  }

  isAt(text: string, at: number): boolean {
    if (!this.#hasMarks) return text.startsWith(this.#text, at);
    for (let index = 0; index < this.length; index++) {
      const wanted = this.#text.charAt(index);
      if (wanted !== '?' && wanted !== text.charAt(at + index)) return false;
    }
    return true;
  }

  /** The first place from `from` on at which it ends before `end`; -1 when there is none. */
  findIn(text: string, from: number, end: number): number {
    if (!this.#hasMarks) {
      const place = text.indexOf(this.#text, from);
      return place >= 0 && place + this.length <= end ? place : -1;
    }
    for (let place = from; place + this.length <= end; place++) if (this.isAt(text, place)) return place;
    return -1;
  }
}
