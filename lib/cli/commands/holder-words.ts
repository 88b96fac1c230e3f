import type { Holder } from '../../index.js';

/** Who has an object open, for people: `node(1234) systemd(1)`. */
export function holderWords(holders: readonly Holder[] | undefined): string {
  return (holders ?? []).map(({ pid, command }) => `${command}(${pid})`).join(' ');
}
