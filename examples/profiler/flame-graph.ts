// One HTML file that needs nothing else: the profile as data in a page that draws, zooms and searches.
import { readFileSync } from 'node:fs';

import type { Profile, ProfileNode } from './profile.js';

type Row = [name: string, kind: string, samples: number, children: Row[]];

export function flameGraph(profile: Profile, title: string): string {
  // Names come from programs that nobody vouches for: as JSON without `<` they cannot end the script they are in.
  const data = JSON.stringify({ title, root: row(profile.root) }).replaceAll('<', '\\u003c');
  const page = readFileSync(new URL('flame-graph.html', import.meta.url), 'utf8');
  return page.replace('@PROFILE@', () => data);
}

function row(node: ProfileNode): Row {
  const rows = [...node.children()].map(row);
  return [node.frame.name, node.frame.kind, node.total, rows.sort((a, b) => (a[0] < b[0] ? -1 : 1))];
}
