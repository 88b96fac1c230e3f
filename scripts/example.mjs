// `npm run example -- packet-filter ...`: one of the applications in examples/, with the flags that follow its name.
// Each is TypeScript that imports `node-ebpf` alone; what runs is made of it in build/examples/.
import { copyFileSync, existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { main, root, say } from './setup.mjs';

const folder = path.join(root, 'examples');

export function exampleNames() {
  return readdirSync(folder).filter((name) => existsSync(path.join(folder, name, 'main.ts')));
}

/** Makes build/examples/<name>/*.mjs of these files, with the objects and pages they read beside them, and says where they are. */
export function buildExample(name, files = ['main.ts']) {
  // Loaded when setup has installed it.
  const { buildSync } = createRequire(import.meta.url)('esbuild');
  const source = path.join(folder, name);
  const outdir = path.join(root, 'build', 'examples', name);
  buildSync({
    entryPoints: files.map((file) => path.join(source, file)),
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['node-ebpf'],
    sourcemap: 'inline',
    // For packages within that are CommonJS.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'warning',
    // tsconfig.json leads `node-ebpf` to the sources, for the compiler's eyes only.
    tsconfigRaw: {},
  });
  for (const file of readdirSync(source)) {
    if (file.endsWith('.bpf.o') || file.endsWith('.html'))
      copyFileSync(path.join(source, file), path.join(outdir, file));
  }
  return files.map((file) => path.join(outdir, file.replace(/\.ts$/, '.mjs')));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(undefined, async ([name, ...flags]) => {
    const names = exampleNames();
    if (!names.includes(name)) {
      say(`example: npm run example -- ${names.join('|')} [flags]`);
      return 2;
    }
    const [file] = buildExample(name);
    // In this process, so that a signal reaches it once and its exit status is its own.
    process.argv = [process.execPath, file, ...flags];
    await import(pathToFileURL(file).href);
    return undefined;
  });
}
