'use strict';

// What this kernel can do, as the library's own probes see it: one line of JSON for each row of docs/kernels.md.
const fs = require('node:fs');
const { BtfKind, LinkType, MapType, ProgramType, features } = require('/node-ebpf/dist/index.js');

function say(kind, value) {
  fs.writeSync(1, `@@${process.env.VM_TOKEN} ${kind} ${JSON.stringify(value)}\n`);
}

async function ask(section, row, question) {
  try {
    const { supported, reason } = await question();
    say('feature', { section, row, supported, reason });
  } catch (error) {
    say('feature', { section, row, supported: null, reason: `${error.code}: ${error.message}` });
  }
}

/** Names by number: of several for one number, the newest, which is the last. */
function names(values) {
  const byNumber = new Map(Object.entries(values).map(([name, number]) => [number, name]));
  byNumber.delete(0);
  return byNumber;
}

async function main() {
  for (const [type, name] of names(ProgramType)) await ask('Program types', name, () => features.programType(type));
  for (const [type, name] of names(MapType)) await ask('Map types', name, () => features.mapType(type));
  for (const [type, name] of names(LinkType)) await ask('Link types', name, () => features.linkType(type));
  for (const [kind, name] of names(BtfKind)) await ask('BTF kinds', name, () => features.btfKind(kind));
  const rest = {
    'kernel BTF': () => features.kernelBtf(),
    kprobes: () => features.kprobes(),
    'kprobe.multi': () => features.kprobeMulti(),
    'kprobe.session': () => features.kprobeSession(),
    uprobes: () => features.uprobes(),
    'uprobe.multi': () => features.uprobeMulti(),
    'uprobe.session': () => features.uprobeSession(),
    'links of perf events': () => features.perfLink(),
    cookies: () => features.bpfCookie(),
    'BPF LSM': () => features.bpfLsm(),
    'rings that overwrite': () => features.ringOverwrite(),
    'binding maps to programs': () => features.bindMap(),
    'batch operations on hashes': () => features.batchOperations(MapType.HASH),
    'batch operations on arrays': () => features.batchOperations(MapType.ARRAY),
    'memory counted by control groups': () => features.memoryCgroupAccounting(),
  };
  for (const [row, question] of Object.entries(rest)) await ask('Features', row, question);
}

main().catch((error) => {
  console.log(error);
  process.exit(1);
});
