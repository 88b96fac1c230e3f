// `npm run api`: writes the public API to etc/node-ebpf.api.md, for review, and rolls all declarations up to dist/index.d.ts.
// Lint fails when the API is not the one in that file, so that nobody changes it without noticing.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { main, root } from './setup.mjs';

export async function report({ accept }) {
  // Loaded late: on a fresh clone it is not there before setup has run.
  const { Extractor, ExtractorConfig } = createRequire(import.meta.url)('@microsoft/api-extractor');
  const lines = [];
  const config = ExtractorConfig.loadFileAndPrepare(path.join(root, 'api-extractor.json'));
  fs.mkdirSync(path.join(root, 'temp'), { recursive: true });
  fs.mkdirSync(path.join(root, 'etc'), { recursive: true });
  const result = Extractor.invoke(config, {
    localBuild: accept,
    showVerboseMessages: false,
    messageCallback(message) {
      message.handled = true;
      // Said below, in our own words.
      if (message.messageId === 'console-api-report-not-copied') return;
      if (message.logLevel === 'none' || message.logLevel === 'verbose' || message.logLevel === 'info') return;
      const place = message.sourceFilePath === undefined ? '' : `${message.sourceFilePath}:${message.sourceFileLine}: `;
      lines.push(`${place}${message.text}`);
    },
  });
  await format(path.join(root, 'dist', 'index.d.ts'));
  if (result.apiReportChanged && !accept) {
    lines.push('The public API is not the reviewed one: look at the difference, then accept it with: npm run api');
    lines.push('  diff etc/node-ebpf.api.md temp/node-ebpf.api.md');
  }
  return { ok: result.succeeded, built: result.errorCount === 0, text: lines.map((line) => `${line}\n`).join('') };
}

/** What is rolled up goes ever deeper to the right, until nine tenths of it are spaces. */
async function format(file) {
  const { default: prettier } = await import('prettier');
  const settings = await prettier.resolveConfig(path.join(root, 'package.json'));
  const text = await prettier.format(fs.readFileSync(file, 'utf8'), { ...settings, parser: 'typescript' });
  fs.writeFileSync(file, text);
}

if (path.resolve(process.argv[1] ?? '') === fileURLToPath(import.meta.url)) {
  await main(['dependencies', 'typescript'], async () => {
    const { ok, text } = await report({ accept: true });
    process.stderr.write(text);
    return ok ? 0 : 1;
  });
}
