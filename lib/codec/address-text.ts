/** An IPv4 or IPv6 address, the latter as RFC 5952 writes it: the longest run of zeros, of two at least, is left out. */
export function addressText(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join('.');
  const words = Array.from({ length: 8 }, (_, index) => ((octets[index * 2] ?? 0) << 8) | (octets[index * 2 + 1] ?? 0));
  let start = 0;
  let longest = 1;
  for (let from = 0; from < words.length; from++) {
    let end = from;
    while (words[end] === 0) end++;
    if (end - from > longest) [start, longest] = [from, end - from];
  }
  const text = (some: readonly number[]): string => some.map((word) => word.toString(16)).join(':');
  if (longest === 1) return text(words);
  return `${text(words.slice(0, start))}::${text(words.slice(start + longest))}`;
}
