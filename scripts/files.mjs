// Files of the repository: their names, their hashes. Depends on nothing but Node, as setup.mjs does.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** The files of a folder of the repository, or the file itself; nothing where there is none. */
export function* files(entry) {
  const absolute = path.join(root, entry);
  const stat = fs.statSync(absolute, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isDirectory()) {
    yield entry;
    return;
  }
  for (const name of fs.readdirSync(absolute).sort()) yield* files(`${entry}/${name}`);
}

export function hashOf(entries, ...facts) {
  const hash = createHash('sha256');
  hash.update(JSON.stringify(facts));
  for (const entry of entries) {
    for (const file of files(entry)) {
      const content = fs.readFileSync(path.join(root, file));
      hash.update(`${file}\0${content.length}\0`).update(content);
    }
  }
  return hash.digest('hex');
}

export const hashOfBytes = (bytes) => createHash('sha256').update(bytes).digest('hex');

export function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}
