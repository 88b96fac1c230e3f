import { escapeControl, jsonReplacer } from '../index.js';

/**
 * A value as one line of JSON. What JSON leaves as it is and a terminal obeys (the controls from U+007F to U+009F, overrides of
 * direction) is escaped too, so that a reader gets the same value.
 */
export function jsonLine(value: unknown): string {
  const text = JSON.stringify(value, jsonReplacer);
  // Controls below U+0020 are escaped already: what is left is within strings.
  return `${text.replace(/[^\u0020-\u007e]/gu, jsonEscape)}\n`;
}

function jsonEscape(character: string): string {
  if (escapeControl(character) === character) return character;
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
