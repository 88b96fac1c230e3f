'use strict';

// What a process that has loaded before takes for more objects, from bytes to code that is ready: parsed, and adapted to the
// kernel's types, which are there. warm.cjs <object>… prints { object: milliseconds }, without those that this kernel cannot have.
const fs = require('node:fs');
const { ObjectSpec } = require('../../dist/index.js');
const { needs, gatherFacts, relocate } = require('../../dist/load.js');

const rounds = 15;

async function ready(bytes) {
  const start = process.hrtime.bigint();
  const spec = ObjectSpec.parse(bytes, { name: 'object' });
  const plan = relocate(spec, await gatherFacts(needs(spec)));
  let size = 0;
  for (const { code } of plan.programs()) size += code.length;
  if (size === 0) throw new Error('no code');
  return Number(process.hrtime.bigint() - start) / 1e6;
}

async function main(files) {
  const samples = new Map();
  for (const file of files) {
    const bytes = fs.readFileSync(file);
    await ready(bytes).then(
      () => samples.set(file, { bytes, all: [] }),
      () => undefined,
    );
  }
  for (let round = 0; round < rounds; round++) {
    for (const { bytes, all } of samples.values()) all.push(await ready(bytes));
  }
  const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
  console.log(JSON.stringify(Object.fromEntries([...samples].map(([file, { all }]) => [file, median(all)]))));
}

void main(process.argv.slice(2));
