// BTF of the kernel's modules, where some are loaded: what sysfs tells of them, and their descriptors.
import { existsSync, readdirSync, readFileSync } from 'node:fs';

import { AttachType, ProgramType } from '../../lib/abi/index.js';
import { BtfKind, type Btf } from '../../lib/btf/index.js';
import { Ebpf, ObjectSpec, VerifierError } from '../../lib/index.js';
import { kernelBtf } from '../../lib/kernel/index.js';
import { moduleBtf } from '../../lib/kernel/module-btf.js';
import { ModuleDescriptors } from '../../lib/kernel/module-descriptors.js';
import { objectInfo } from '../../lib/sys/index.js';
import { hasJit, kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const folder = '/sys/kernel/btf';
const modules = existsSync(`${folder}/vmlinux`) ? readdirSync(folder).filter((name) => name !== 'vmlinux') : [];
const hasModules = modules.length > 0;
const hasFentry =
  existsSync('/sys/bus/event_source/devices/kprobe') && hasJit && kernelHasSymbol('register_ftrace_direct');

async function readModules(): Promise<readonly Btf[]> {
  return moduleBtf(await kernelBtf(), { types: new Map(), names: new Set(modules) });
}

testIf(hasModules, 'kernel modules')('every module is read, split on the kernel', async () => {
  const base = await kernelBtf();
  const found = await readModules();
  expect(found.map(({ name }) => name).sort()).toEqual([...modules].sort());
  for (const btf of found) {
    btf.validate();
    expect(btf.startId).toBe(base.endId);
  }
});

testIf(hasModules, 'kernel modules')('a module is found by what the kernel proper has not', async () => {
  const base = await kernelBtf();
  for (const module of await readModules()) {
    const own = functionsOf(module).find((name) => base.find(name, BtfKind.FUNC) === undefined);
    if (own === undefined) continue;
    const types = new Map([[own, new Set<BtfKind>([BtfKind.FUNC])]]);
    const found = await moduleBtf(base, { types, names: new Set() });
    expect(found.map(({ name }) => name)).toContain(module.name);
  }
});

testIf(hasModules, 'kernel modules')('every module has a descriptor, opened once', () => {
  const descriptors = new ModuleDescriptors();
  try {
    for (const name of modules) {
      const handle = descriptors.open(name);
      expect(objectInfo(handle, 'btf')).toMatchObject({ name, kernel: true });
      expect(descriptors.open(name)).toBe(handle);
    }
  } finally {
    descriptors.close();
  }
});

test('a module that is not loaded has none', () => {
  const descriptors = new ModuleDescriptors();
  expect(() => descriptors.open('no_such_module')).toThrow('module "no_such_module" is not loaded any more');
  descriptors.close();
});

testIf(hasModules && hasFentry, 'kernel modules')('a program is loaded for a function of a module', async () => {
  let loaded = 0;
  for (const module of await readModules()) {
    // Not every function can be traced: some are marked so, some are gone after the start.
    for (const name of functionsOf(module).slice(0, 10)) {
      const spec = ObjectSpec.parse(readFileSync(sample('kfunc')), { name: 'kfunc.bpf.o' });
      const program = spec.program('guarded');
      program.type = ProgramType.TRACING;
      program.attachType = AttachType.TRACE_FENTRY;
      program.attachTo = `${module.name}:${name}`;
      try {
        const ebpf = await Ebpf.load(spec);
        await ebpf.close();
        loaded++;
      } catch (error) {
        if (!(error instanceof VerifierError)) throw error;
      }
    }
    if (loaded > 0) break;
  }
  expect(loaded).toBeGreaterThan(0);
});

function functionsOf(module: Btf): string[] {
  const names: string[] = [];
  for (let id = module.startId; id < module.endId; id++) {
    if (module.kind(id) === BtfKind.FUNC) names.push(module.nameOf(id));
  }
  return names;
}
