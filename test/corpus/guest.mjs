// In a VM: loads each program of the objects in /corpus, by this library and by libbpf, and says how it went: a line of JSON each.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { chosenFunctions, giveTargets, giveTypes, loadsOf, parse } from './ours.mjs';

const execute = promisify(execFile);
const folder = '/corpus';
const { command, warningLength } = JSON.parse(fs.readFileSync(path.join(folder, 'libbpf.json'), 'utf8'));

const say = (kind, value) => fs.writeSync(1, `@@${process.env.VM_TOKEN} ${kind} ${JSON.stringify(value)}\n`);

const targets = Object.entries(chosenFunctions).map(([name, target]) => `${name}=${target}`);

async function load(names) {
  for (const name of names) {
    const spec = parse(path.join(folder, name));
    giveTypes(spec);
    giveTargets(spec);
    say('loads', { name, loads: await loadsOf(spec) });
  }
}

async function ask(names) {
  const [program, ...words] = command;
  for (const name of names) {
    const args = [...words, 'load', path.join(folder, name), ...targets];
    const { stdout } = await execute(program, args).catch((error) => ({
      stdout: JSON.stringify({ event: 'died', signal: error.signal ?? error.code, warning: error.message }),
    }));
    const lines = stdout.split('\n').filter((line) => line !== '');
    const said = lines.map((line) => JSON.parse(line));
    // A console is slow.
    for (const event of said) if (event.warning !== undefined) event.warning = event.warning.slice(0, warningLength);
    say('said', { name, said });
  }
}

const names = fs.readdirSync(folder).filter((name) => name.endsWith('.o'));
// Each has a processor.
await Promise.all([load(names), ask(names)]);
