/**
 * Names come from files, kernels and processes: before one reaches a terminal or a message its control characters,
 * marks and overrides of direction and lone surrogates are written as escapes.
 */
export function escapeControl(text: string): string {
  return text.replace(
    // eslint-disable-next-line no-control-regex -- control characters are what this looks for
    /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/gu,
    (character) => {
      const code = character.codePointAt(0) ?? 0;
      return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
    },
  );
}

/** The same of a text that may have several lines, and tabs in them. */
export function escapeLines(text: string): string {
  return text.replace(/[^\n\t]+/gu, escapeControl);
}

/** A name for a message, quoted, escaped and cut to a length a person reads. */
export function quote(name: string): string {
  const shown = name.length > 120 ? `${name.slice(0, 117)}...` : name;
  return `"${escapeControl(shown)}"`;
}
