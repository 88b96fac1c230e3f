// Where what the VMs need is kept: outside the repository, so that clones share it. An entry is a folder that is complete or
// absent: it is made under another name and moved into place.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export function cacheFolder() {
  const chosen = process.env.NODE_EBPF_VM_CACHE;
  if (chosen !== undefined && chosen !== '') return path.resolve(chosen);
  const base = process.env.XDG_CACHE_HOME;
  return path.join(
    base !== undefined && path.isAbsolute(base) ? base : path.join(os.homedir(), '.cache'),
    'node-ebpf-vm',
  );
}

/** What an entry says about itself, or undefined when there is none made by the same `recipe`. */
export function cached(name, recipe) {
  const folder = path.join(cacheFolder(), name);
  try {
    const entry = JSON.parse(fs.readFileSync(path.join(folder, 'entry.json'), 'utf8'));
    return entry.recipe === recipe ? { ...entry, folder } : undefined;
  } catch {
    return undefined;
  }
}

/** Makes an entry: `make(folder)` fills the folder and returns facts, which `cached` gives back. */
export async function makeEntry(name, recipe, make) {
  const final = path.join(cacheFolder(), name);
  const folder = `${final}.new-${process.pid}`;
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  try {
    const facts = await make(folder);
    fs.writeFileSync(path.join(folder, 'entry.json'), `${JSON.stringify({ ...facts, recipe })}\n`);
    fs.rmSync(final, { recursive: true, force: true });
    fs.renameSync(folder, final);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
  return cached(name, recipe);
}

export function hashOf(...values) {
  const hash = createHash('sha256');
  for (const value of values)
    hash.update(typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value));
  return hash.digest('hex').slice(0, 16);
}
