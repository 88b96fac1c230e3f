'use strict';

// One cold start of this library: node-ebpf.cjs <dist/index.js> names <name>… | load <object>. From before require to ready, as JSON.
const [library, what, ...words] = process.argv.slice(2);
const start = process.hrtime.bigint();
const { Ebpf, kernelBtf } = require(library);

async function work() {
  if (what === 'names') {
    const btf = await kernelBtf();
    for (const name of words) if (btf.find(name) === undefined) throw new Error(`no type ${name}`);
  } else if (what === 'load') {
    await Ebpf.load(words[0]);
  }
}

void work().then(() => {
  const milliseconds = Number(process.hrtime.bigint() - start) / 1e6;
  console.log(JSON.stringify({ milliseconds, kilobytes: process.resourceUsage().maxRSS }));
  process.exitCode = 0;
});
