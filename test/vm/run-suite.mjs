// Runs the kernel suite in one VM and turns what the guest says into results.
import fs from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import { modulesArchive, suiteArchive } from './image.mjs';
import { runMachine } from './machine.mjs';

/**
 * { passed, failed, skipped: arrays of tests; features: [{ section, row, supported, reason }]; problems, console: arrays of
 * lines; milliseconds, readySeconds }
 */
export async function runSuite(
  machine,
  { files, pattern, askFeatures, script, addon, userSpace, xdpTools = [], kernel, tools, folder, timeoutMs, onTest },
) {
  const { archive, sourceLine } = suiteArchive({
    ...{ architecture: machine.architecture, addon, files, pattern, askFeatures, script },
  });
  const outcome = { machine, kernel, passed: [], failed: [], skipped: [], features: [] };
  const onMessage = (kind, rest) => {
    if (kind === 'ready') {
      outcome.readySeconds = Number.parseFloat(rest);
      return;
    }
    const value = parse(rest);
    if (value === undefined || (kind === 'test' && !Array.isArray(outcome[value.status]))) {
      outcome.failed.push({ file: '(the VM)', name: kind, error: `what the guest said cannot be read: ${rest}` });
    } else if (kind === 'test') {
      if (value.error !== undefined) value.error = inSources(value.error, sourceLine);
      outcome[value.status].push(value);
      onTest?.(value);
    } else if (kind === 'feature') {
      outcome.features.push(value);
    } else if (kind === 'done') {
      outcome.ended = value;
    }
  };
  const archives = [[fs.readFileSync(userSpace)], modulesArchive(kernel), ...xdpTools, archive];
  const run = await runMachine(machine, {
    tools,
    kernel,
    archives,
    folder,
    timeoutMs,
    onMessage,
    processors: machine.processors,
  });
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
function inSources(text, sourceLine) {
  const words = stripVTControlCharacters(text);
  const plain = words.replaceAll(/\n +at [^\n]*\/vm\/(?:globals|runner)\.cjs[^\n]*/gu, '');
  return plain.replace(/\/node-ebpf\/vm\/typescript\.bundle\.js:(\d+):(\d+)/gu, (whole, line, column) => {
    return sourceLine(Number(line), Number(column)) ?? whole;
  });
}
