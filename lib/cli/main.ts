#!/usr/bin/env node
import { runCommandLine } from './command-line.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

void runCommandLine(process.argv.slice(2), { stdout: process.stdout, stderr: process.stderr, onStop }).then(
  (status) => {
    process.exitCode = status;
  },
);

function onStop(stop: () => void): void {
  const listener = (): void => {
    for (const signal of SIGNALS) process.removeListener(signal, listener);
    stop();
  };
  for (const signal of SIGNALS) process.on(signal, listener);
}
