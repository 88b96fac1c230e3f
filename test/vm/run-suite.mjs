// Runs the kernel suite in one VM and turns what the guest says into results.
import fs from 'node:fs';
import { SourceMap } from 'node:module';
import { modulesArchive, suiteArchive } from './image.mjs';
import { runMachine } from './machine.mjs';

/** { passed, failed, skipped: arrays of tests; problems, console, milliseconds, readyAfter } */
export async function runSuite(
  machine,
  { files, pattern, addon, userSpace, kernel, tools, folder, timeoutMs, onTest },
) {
  const { archive, sourceMaps } = suiteArchive({ addon, files, pattern });
  const outcome = { machine, kernel, passed: [], failed: [], skipped: [], ended: undefined, readySeconds: undefined };
  const onMessage = (kind, rest) => {
    if (kind === 'ready') {
      outcome.readySeconds = Number.parseFloat(rest);
      return;
    }
    const value = parse(rest);
    if (value === undefined) {
      outcome.failed.push({ file: '(the VM)', name: kind, error: `what the guest said cannot be read: ${rest}` });
    } else if (kind === 'test') {
      if (value.error !== undefined) value.error = inSources(value.error, sourceMaps);
      outcome[value.status].push(value);
      onTest?.(value);
    } else if (kind === 'done') {
      outcome.ended = value;
    }
  };
  const archives = [[fs.readFileSync(userSpace)], modulesArchive(kernel), archive];
  const run = await runMachine(machine, { tools, kernel, archives, folder, timeoutMs, onMessage });
  const { problems, console, milliseconds, status } = run;
  if (status !== undefined && status !== 0 && outcome.failed.length === 0) {
    problems.push(`its test run ended with status ${status}`);
  }
  if (status === 0 && (outcome.ended?.files !== files.length || outcome.ended.failed !== outcome.failed.length)) {
    problems.push('its test run ended before all its tests were told');
  }
  return { ...outcome, problems, console, milliseconds };
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Stack traces with the lines of the TypeScript sources. */
function inSources(text, sourceMaps) {
  const parsed = new Map();
  return text.replace(/(\/node-ebpf\/[^\s():]+\.ts):(\d+):(\d+)/gu, (whole, file, line, column) => {
    const source = sourceMaps.get(file);
    if (source === undefined) return whole;
    if (!parsed.has(file)) parsed.set(file, new SourceMap(JSON.parse(source.map)));
    const origin = parsed.get(file).findEntry(Number(line) - 1, Number(column) - 1);
    if (origin.originalLine === undefined) return whole;
    return `${source.name}:${origin.originalLine + 1}:${origin.originalColumn + 1}`;
  });
}
