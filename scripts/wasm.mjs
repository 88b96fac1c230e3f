// `npm run wasm`: writes lib/btf/scan-module.generated.ts, the machine code of lib/btf/scan.wat.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { main, root } from './setup.mjs';

const source = path.join(root, 'lib', 'btf', 'scan.wat');
const target = path.join(root, 'lib', 'btf', 'scan-module.generated.ts');

/** The text of the generated file. */
export async function compile() {
  // Loaded late: on a fresh clone it is not there before setup has run.
  const { default: load } = await import('wabt');
  const wabt = await load();
  const module = wabt.parseWat(source, fs.readFileSync(source, 'utf8'));
  module.validate();
  const { buffer } = module.toBinary({});
  return [
    '// Made of scan.wat by scripts/wasm.mjs; do not edit.',
    '/** The WebAssembly module of scan.wat, as base64. */',
    `export const scanModule: string = '${Buffer.from(buffer).toString('base64')}';`,
    '',
  ].join('\n');
}

if (path.resolve(process.argv[1] ?? '') === fileURLToPath(import.meta.url)) {
  await main(['dependencies'], async () => {
    fs.writeFileSync(target, await compile());
    return 0;
  });
}
