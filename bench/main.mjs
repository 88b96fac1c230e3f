// `npm run bench -- <name>`: measures this library beside its peers. Each folder here is a benchmark; flags are its own.
import fs from 'node:fs';
import path from 'node:path';

const here = import.meta.dirname;
const names = fs.readdirSync(here).filter((name) => fs.existsSync(path.join(here, name, 'main.mjs')));
const [name, ...args] = process.argv.slice(2);

if (names.includes(name)) {
  process.argv = [process.argv[0], path.join(here, name, 'main.mjs'), ...args];
  await import(`./${name}/main.mjs`);
} else {
  console.error(`usage: npm run bench -- <name> [flags]\nbenchmarks: ${names.join(', ')}`);
  process.exitCode = 2;
}
