'use strict';

// One cold start of this library: node-ebpf.cjs names <name>… | load <object>. From before require to ready, as JSON.
const start = process.hrtime.bigint();
const { Ebpf, kernelBtf } = require('../../dist/index.js');

async function work(what, words) {
  if (what === 'names') {
    const btf = await kernelBtf();
    for (const name of words) if (btf.find(name) === undefined) throw new Error(`no type ${name}`);
  } else if (what === 'load') {
    await Ebpf.load(words[0]);
  }
}

void work(process.argv[2], process.argv.slice(3)).then(() => {
  const milliseconds = Number(process.hrtime.bigint() - start) / 1e6;
  console.log(JSON.stringify({ milliseconds, kilobytes: process.resourceUsage().maxRSS }));
  process.exitCode = 0;
});
