// Brings a wheel from PyPI: compilers and runtimes that come ready to use in no other registry.
import fs from 'node:fs';
import path from 'node:path';
import { SetupError, aptInstall, findCommand, isDebianRoot, run } from './setup.mjs';

/** Unpacks a wheel, of which one of these hashes has to be true, into a folder; `platform` is of another machine than this. */
export function fetchWheel({ name, version, sha256, platform }, folder) {
  const python = pythonWithPip(`it brings ${name}`);
  const wheels = path.join(folder, 'wheels');
  fs.mkdirSync(wheels);
  const requirements = path.join(wheels, 'requirements.txt');
  fs.writeFileSync(requirements, `${name}==${version} ${sha256.map((hash) => `--hash=sha256:${hash}`).join(' ')}\n`);
  const args = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', '--require-hashes'];
  if (platform !== undefined) args.push('--platform', platform);
  run(python, [...args, '--dest', wheels, '--requirement', requirements], { what: `fetching ${name} ${version}` });
  const wheel = fs.readdirSync(wheels).find((file) => file.endsWith('.whl'));
  run(python, ['-m', 'zipfile', '-e', path.join(wheels, wheel), folder], { what: `unpacking ${wheel}` });
  fs.rmSync(wheels, { recursive: true });
}

function pythonWithPip(why) {
  const found = findCommand('python3');
  if (found !== undefined && hasPip(found)) return found;
  if (!isDebianRoot())
    throw new SetupError(`python3 with pip is missing (${why}). Install with: sudo apt-get install python3-pip`);
  aptInstall(['python3-pip'], why);
  return '/usr/bin/python3';
}

function hasPip(python) {
  try {
    run(python, ['-m', 'pip', '--version'], { what: 'pip' });
    return true;
  } catch {
    return false;
  }
}
