// What `npm run coverage` has each file of unit tests begin with: a system that is not this one, by its name and by what it
// lacks. Nothing of /proc, /sys, /boot and /dev can be seen, no compiler is found, and there is no addon.
import fs from 'node:fs';
import os from 'node:os';

const pretended = process.env['NODE_EBPF_PRETEND_SYSTEM'];
const hidden = /^\/(?:proc|sys|boot|dev)(?:\/|$)/u;

/** The functions of node:fs that tests and helpers look at files with; each takes a path first. */
const looks = ['readFileSync', 'openSync', 'statSync', 'lstatSync', 'readdirSync', 'accessSync'] as const;

function hide(name: (typeof looks)[number]): void {
  const original: unknown = fs[name];
  if (typeof original !== 'function') return;
  Object.defineProperty(fs, name, {
    configurable: true,
    writable: true,
    value: (path: unknown, ...rest: unknown[]): unknown => {
      if (typeof path === 'string' && hidden.test(path)) {
        throw Object.assign(new Error(`ENOENT: no such file or directory, '${path}'`), { code: 'ENOENT' });
      }
      return Reflect.apply(original, fs, [path, ...rest]);
    },
  });
}

if (pretended !== undefined && pretended !== '') {
  Object.defineProperty(process, 'platform', { value: pretended });
  os.platform = (): NodeJS.Platform => process.platform;
  process.env['PATH'] = '';
  process.env['NODE_EBPF_VM_CACHE'] = '/nowhere';
  // Modules are shared by the files that one worker runs.
  if (!Object.hasOwn(fs.existsSync, 'pretends')) {
    const { existsSync } = fs;
    looks.forEach(hide);
    fs.existsSync = Object.assign((path: fs.PathLike) => !hidden.test(String(path)) && existsSync(path), {
      pretends: true,
    });
  }
}
