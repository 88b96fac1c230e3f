// Kernel modules in the order in which they can be inserted. Packages hold no modules.dep: what a module needs is in itself.
import fs from 'node:fs';
import path from 'node:path';
import { decompress } from './kernel-image.mjs';

const plain = (name) => name.replace(/\.ko(\.(xz|zst|gz))?$/u, '').replaceAll('-', '_');

/** [name, bytes] of the wanted modules and of those they need, each after what it needs; built-in and absent ones left out. */
export function collectModules(root, wanted, environment) {
  const files = new Map();
  for (const name of fs.readdirSync(root, { recursive: true })) {
    if (/\.ko(\.(xz|zst|gz))?$/u.test(name)) files.set(plain(path.basename(name)), path.join(root, name));
  }
  const collected = new Map();
  const add = (name) => {
    const file = files.get(plain(name));
    if (file === undefined || collected.has(plain(name))) return;
    const stored = fs.readFileSync(file);
    const bytes = file.endsWith('.ko') ? stored : (decompress(stored, environment) ?? stored);
    const depends = /\0depends=([^\0]*)\0/u.exec(bytes.toString('latin1'))?.[1] ?? '';
    for (const needed of depends.split(',').filter((word) => word !== '')) add(needed);
    collected.set(plain(name), bytes);
  };
  for (const name of wanted) add(name);
  return [...collected];
}
