// docs/getting-started.md: its files, its commands, in a folder where the tarball was installed.
import { readFileSync, writeFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { Executor, repository, RunningCommand } from '../helpers/command.js';
import { installed } from '../helpers/installed.js';
import { newApp, output } from '../helpers/packed.js';
import { testIf } from '../helpers/skip.js';

const page = readFileSync(join(repository, 'docs/getting-started.md'), 'utf8');
const block = (language: string, word: string): string => {
  const blocks = [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gmu)];
  const found = blocks.find(([, name, text]) => name === language && text?.includes(word) === true);
  if (found?.[2] === undefined) throw new Error(`the page has no block of ${language} with ${word}`);
  return found[2];
};

testIf(installed('clang-19'), 'clang-19')(
  'what it says works as it stands there',
  async () => {
    const app = newApp();
    const executor = new Executor();
    try {
      writeFileSync(join(app, 'exits.bpf.c'), block('c', 'on_exit'));
      writeFileSync(join(app, 'exits.mjs'), block('js', 'exits.bpf.o'));
      const run = (command: string): string => output('/bin/sh', ['-c', command.replace(/^\$ /u, '')], { cwd: app });
      const supported = ['--input-type=module', '-e', block('js', 'whyUnsupported')];
      expect(output(process.execPath, supported, { cwd: app }).trim()).toBe('yes');
      run(block('console', 'btf.toC()'));
      run(block('console', 'clang -g').replace('clang', 'clang-19'));

      const example = new RunningCommand(process.execPath, ['exits.mjs', String(executor.pid)], { cwd: app });
      try {
        let pid = 0;
        while (example.stdout === '') pid = await executor.execute('/bin/true');
        await example.shows(new RegExp(`^true \\(${pid}\\) ended with 0 after \\d+ µs$`, 'mu'));
        example.signal('SIGINT');
        expect(await example.exit()).toBe(0);
        expect(example.stderr).toBe('');
      } finally {
        await example.end();
      }
    } finally {
      await executor.end();
      rmSync(app, { recursive: true });
    }
  },
  60_000,
);
