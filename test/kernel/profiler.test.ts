// The application in examples/profiler.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { repository, runExample, RunningCommand } from '../helpers/command.js';
import { installed } from '../helpers/installed.js';
import { objectsNamed } from '../helpers/objects-named.js';
import { testIf } from '../helpers/skip.js';
import { until } from '../helpers/until.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-ebpf-profiler-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Profiles a process that is busy in one function, with these flags more, and returns what was printed. */
async function profileHog(...flags: string[]): Promise<string> {
  const hog = new RunningCommand(
    process.execPath,
    ['--perf-basic-prof', join(repository, 'test/fixtures/cpu-hog.mjs')],
    // V8 leaves a log where it runs.
    { cwd: folder },
  );
  try {
    await hog.shows(/burning/);
    const profiler = runExample('profiler', '--pid', String(hog.pid), '--seconds', '3', ...flags);
    try {
      expect(await profiler.exit()).toBe(0);
      expect(profiler.stderr).toBe('');
      return profiler.stdout;
    } finally {
      await profiler.end();
    }
  } finally {
    await hog.end();
    rmSync(`/tmp/perf-${hog.pid}.map`, { force: true });
  }
}

test('the hottest function of a busy process is named, with who called it and what it cost to know', async () => {
  const folded = join(folder, 'folded');
  const text = await profileHog('--folded', folded);
  const [, samples, hottest] = /^(\d+) samples in [\d.]+ s\n\s+([^\n]+)$/mu.exec(text) ?? [];
  expect(Number(samples)).toBeGreaterThan(20);
  expect(hottest).toMatch(/^\d+\.\d % {2}.*burnCycles/u);
  expect(text).toMatch(/^the profiler itself used [\d.]+ % of a CPU$/m);
  const lines = readFileSync(folded, 'utf8').trim().split('\n');
  expect(lines.filter((line) => /;[^;]*callBurner[^;]*;[^;]*burnCycles/u.test(line))).not.toHaveLength(0);
  const counted = lines.map((line) => Number(line.slice(line.lastIndexOf(' ')))).reduce((sum, count) => sum + count, 0);
  expect(counted).toBe(Number(samples));
  await until(() => objectsNamed('take_sample') === 0);
});

test('kernel functions are named as well, of all processes, and Ctrl-C ends it', async () => {
  const folded = join(folder, 'folded');
  const reader = new RunningCommand('dd', ['if=/dev/zero', 'of=/dev/null', 'bs=1M']);
  const profiler = runExample('profiler', '--seconds', '60', '--folded', folded);
  try {
    await profiler.shows(/^sampling all processes 99 times a second on each CPU$/m);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    profiler.signal('SIGINT');
    expect(await profiler.exit()).toBe(0);
    const lines = readFileSync(folded, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith(`dd (${reader.pid});`));
    expect(lines.join('\n')).toMatch(/(?:read|zero)[a-z0-9_.]*_\[k\]/u);
  } finally {
    reader.signal('SIGKILL');
    await reader.end();
    await profiler.end();
  }
});

const browser = ['chromium', 'chromium-browser', 'google-chrome'].find(installed);
testIf(browser !== undefined, 'a browser')('the flame graph is one page, which is searched and zoomed in', async () => {
  const html = join(folder, 'flame.html');
  await profileHog('--html', html);
  const page = (state: string): string =>
    execFileSync(
      browser ?? '',
      [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        `--user-data-dir=${folder}`,
        '--dump-dom',
        `${pathToFileURL(html).href}#${state}`,
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 50_000 },
    );
  const frames = (text: string): number =>
    text.match(/<button type="button" title="[^"]*" class="frame /gu)?.length ?? 0;
  const whole = page('');
  expect(frames(whole)).toBeGreaterThan(5);
  const searched = page('search=burnCycles');
  expect(searched).toMatch(/class="frame user found"/u);
  expect(Number(/id="matched">([\d.]+) % match/u.exec(searched)?.[1])).toBeGreaterThan(50);
  const zoomed = page('zoom=0.0');
  expect(zoomed.match(/class="frame \w+ around"/gu)).toHaveLength(2);
  expect(page('search=nobody')).toContain('>0.0 % match<');
});
