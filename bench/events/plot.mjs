// Draws what the benchmark measured: CPU time an event of each consumer, one group of bars for each case. Each group has a
// scale of its own; the figures stand beside the bars.
const width = 760;
const barHeight = 16;
const labelWidth = 110;
const figureWidth = 80;
const colours = {
  'node-ebpf': '#2f7d31',
  C: '#9e9e9e',
  libbpf: '#616161',
  'cilium/ebpf': '#00838f',
  Aya: '#b35900',
};

const escaped = (text) => text.replace(/[&<>]/gu, (character) => `&#${character.charCodeAt(0)};`);

/** `groups`: of each case its title, and nanoseconds by consumer. The text of an SVG. */
export function plot(groups) {
  const parts = [];
  let y = 24;
  for (const { title, values } of groups) {
    const most = Math.max(...values.map(([, value]) => value));
    parts.push(`<text x="8" y="${y}" font-weight="bold">${escaped(title)}</text>`);
    y += 8;
    for (const [name, value] of values) {
      const length = Math.max(1, Math.round(((width - labelWidth - figureWidth) * value) / most));
      parts.push(
        `<text x="${labelWidth - 8}" y="${y + 12}" text-anchor="end">${escaped(name)}</text>`,
        `<rect x="${labelWidth}" y="${y + 1}" width="${length}" height="${barHeight - 3}" fill="${colours[name] ?? '#777'}"/>`,
        `<text x="${labelWidth + length + 6}" y="${y + 12}">${value < 100 ? value.toFixed(1) : value.toFixed(0)} ns</text>`,
      );
      y += barHeight;
    }
    y += 24;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${y}" viewBox="0 0 ${width} ${y}" font-family="sans-serif" font-size="12">`,
    '<title>CPU nanoseconds an event</title>',
    `<rect width="${width}" height="${y}" fill="#fff"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}
