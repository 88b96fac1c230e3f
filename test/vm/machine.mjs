// Boots one VM, listens to its console and ends it: by itself, or when its time is over.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import readline from 'node:readline';
import { writeArchives } from './cpio.mjs';
import { architectures, machineName } from './machines.mjs';

const securityModules = 'lsm=landlock,lockdown,yama,integrity,apparmor,bpf';
/** Fewer page faults and less clearing of pages, which cost most of a process's start under emulation. */
const quicker = ['init_on_alloc=0', 'transparent_hugepage=always'];

/** The program and arguments of QEMU. */
export function commandLine(machine, { tools, kernel, initialRoot, token, processors = 1, memory = '1G', extra = [] }) {
  const { arguments: own, console } = architectures[machine.architecture];
  const words = [
    `console=${console}`,
    'quiet',
    'panic=-1',
    'oops=panic',
    securityModules,
    ...quicker,
    `vm_token=${token}`,
    ...extra,
  ];
  return [
    tools.qemu,
    ...tools.firmware.filter((folder) => fs.existsSync(folder)).flatMap((folder) => ['-L', folder]),
    ...['-accel', 'tcg,thread=multi', ...own, '-smp', String(processors), '-m', memory],
    ...['-nodefaults', '-display', 'none', '-nic', 'none', '-no-reboot', '-serial', 'stdio', '-monitor', 'none'],
    ...['-kernel', kernel.image, '-initrd', initialRoot, '-append', words.join(' ')],
  ];
}

/** What ends each VM that runs: none goes on when this process is told to stop. */
const running = new Set();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    for (const end of running) end();
    process.exit(128 + os.constants.signals[signal]);
  });
}

/**
 * Runs a VM to its end. `onMessage(kind, rest)` gets what the guest says with its token: `ready`, `test`, `done`,
 * `problem`. Resolves with { console: lines, status, problems, timedOut, milliseconds }; `status` is what the guest's
 * /run.sh ended with, and undefined when the guest did not get to say it: QEMU's own exit status says nothing.
 */
export async function runMachine(
  machine,
  { tools, kernel, archives, folder, timeoutMs, onMessage, onLine, ...options },
) {
  const token = randomBytes(8).toString('hex');
  const initialRoot = `${folder}/${machineName(machine)}-${token}.cpio`;
  writeArchives(initialRoot, archives);
  const start = Date.now();
  const result = { console: [], status: undefined, problems: [], timedOut: false, milliseconds: 0 };
  const [program, ...args] = commandLine(machine, { tools, kernel, initialRoot, token, ...options });
  // `timeout` ends QEMU even when this process is killed and cannot.
  const limit = ['--signal=KILL', String(Math.ceil(timeoutMs / 1000) + 15), program, ...args];
  const child = spawn('timeout', limit, { stdio: ['ignore', 'pipe', 'pipe'], env: tools.environment });
  const end = () => child.kill('SIGTERM');
  running.add(end);
  const timer = setTimeout(() => {
    result.timedOut = true;
    end();
  }, timeoutMs);
  const closed = new Promise((resolve) => {
    child.on('error', (error) => {
      result.problems.push(`QEMU does not start: ${error.message}`);
      resolve();
    });
    child.on('close', resolve);
  });
  child.stderr.setEncoding('utf8').on('data', (text) => result.console.push(...`qemu: ${text}`.trimEnd().split('\n')));
  const marker = `@@${token} `;
  for await (const raw of readline.createInterface({ input: child.stdout, crlfDelay: Infinity })) {
    // The console is a terminal: it may end lines with more than one carriage return.
    const line = raw.replace(/\r+$/u, '');
    onLine?.(line);
    const at = line.indexOf(marker);
    if (at < 0) {
      result.console.push(line);
      if (/Kernel panic - not syncing/u.test(line)) result.problems.push(`the kernel panicked: ${line.trim()}`);
      continue;
    }
    const [kind, ...words] = line.slice(at + marker.length).split(' ');
    const rest = words.join(' ');
    if (kind === 'exit') result.status = Number(rest);
    else if (kind === 'problem') result.problems.push(rest);
    else onMessage?.(kind, rest);
  }
  await closed;
  clearTimeout(timer);
  running.delete(end);
  fs.rmSync(initialRoot, { force: true });
  result.milliseconds = Date.now() - start;
  if (result.timedOut) result.problems.push(`it did not end within ${timeoutMs / 1000} s and was stopped`);
  else if (result.status === undefined) result.problems.push('it ended without saying how its work ended');
  return result;
}
