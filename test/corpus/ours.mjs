// What this library makes of an object, in the words of libbpf-says.c.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { root } from '../../scripts/files.mjs';

const require = createRequire(path.join(root, 'package.json'));
require('./test/helpers/typescript-hook.cjs');
const load = (room) => require(`./lib/${room}/index.ts`);

const hex = (bytes) => (bytes === undefined ? undefined : Buffer.from(bytes).toString('hex'));

export function parse(file) {
  return load('object').ObjectSpec.parse(fs.readFileSync(file), { name: path.basename(file) });
}

/** With code in the byte order of this machine, where `native`: libbpf from 1.6 on turns it when it opens an object. */
export function programsOf(spec, { native }) {
  const isForeign = spec.littleEndian !== (os.endianness() === 'LE');
  return [...spec.programs.values()].map((program) => ({
    name: program.name,
    // libbpf's name is without the mark of programs that are not to be loaded by themselves.
    section: program.section.replace(/^\?/u, ''),
    type: program.type,
    attachType: program.attachType,
    autoload: program.autoload,
    code: hex(native && isForeign ? turned(program.function.code) : program.function.code),
  }));
}

/** Instructions in the other byte order: struct bpf_insn of include/uapi/linux/bpf.h, whose registers are bit-fields. */
function turned(code) {
  const bytes = Buffer.from(code);
  for (let offset = 0; offset < bytes.length; offset += 8) {
    const registers = bytes[offset + 1];
    bytes[offset + 1] = ((registers & 0xf) << 4) | (registers >> 4);
    bytes.subarray(offset + 2, offset + 4).swap16();
    bytes.subarray(offset + 4, offset + 8).swap32();
  }
  return bytes;
}

export function mapsOf(spec) {
  return [...spec.maps.values()].map((map) => ({
    name: map.name,
    kernelName: map.kernelName,
    ...commonOf(map),
    keyType: map.keyType,
    valueType: map.valueType,
    internal: map.kind === 'data',
    autoCreate: map.autoCreate,
    pinned: map.pinning !== 'none',
    value: map.kind === 'data' ? hex(map.initialValue ?? new Uint8Array(map.valueSize)) : undefined,
  }));
}

function commonOf(map) {
  return {
    type: map.type,
    keySize: map.keySize,
    valueSize: map.valueSize,
    maxEntries: map.maxEntries,
    flags: map.flags,
    numaNode: map.numaNode ?? 0,
    mapExtra: Number(map.mapExtra),
  };
}

/** Names that mean no type get the type that their tool gives them, as in libbpf-says.c. */
export function giveTypes(spec) {
  const { AttachType, ProgramType } = load('abi');
  for (const program of spec.programs.values()) {
    if (program.type !== ProgramType.UNSPEC) continue;
    const remoteControl = program.section.startsWith('lirc_mode2');
    program.type = remoteControl ? ProgramType.LIRC_MODE2 : ProgramType.SOCKET_FILTER;
    if (remoteControl) program.attachType = AttachType.LIRC_MODE2;
  }
}

/**
 * The functions that tools of libbpf-tools choose when they run, by the name that stands for them in the object. libbpf-says.c
 * is given them too.
 */
export const chosenFunctions = {
  dummy_fentry: 'vfs_read',
  dummy_fexit: 'vfs_read',
  dummy_file_open: 'ext4_file_open',
  dummy_file_read: 'ext4_file_read_iter',
  dummy_file_sync: 'ext4_sync_file',
  dummy_file_write: 'ext4_file_write_iter',
  dummy_getattr: 'ext4_file_getattr',
};

export function giveTargets(spec) {
  for (const program of spec.programs.values()) {
    program.attachTo = chosenFunctions[program.attachTo] ?? program.attachTo;
  }
}

/** What tools set before they load, as in libbpf-says.c. Nothing is pinned. */
export function giveSizes(spec) {
  const { MapType } = load('abi');
  const unsized = [MapType.PERF_EVENT_ARRAY, MapType.CGROUP_STORAGE, MapType.PERCPU_CGROUP_STORAGE];
  const isSized = (type) => type >= MapType.HASH && type <= MapType.STACK && !unsized.includes(type);
  for (const map of spec.maps.values()) {
    map.pinning = 'none';
    if (map.type === MapType.STACK_TRACE && map.valueSize === 0) map.valueSize = 127 * 8;
    if (map.maxEntries > 0 || map.kind === 'data') continue;
    if (map.type === MapType.RINGBUF || map.type === MapType.USER_RINGBUF) map.maxEntries = 4096;
    else if (isSized(map.type)) map.maxEntries = 64;
  }
}

/** The spec with one program to load. */
export function only(spec, name) {
  const copy = spec.clone();
  for (const program of copy.programs.values()) program.autoload = program.name === name;
  return copy;
}

export async function factsFor(spec) {
  return load('kernel').gatherFacts(load('relocate').needs(spec));
}

/** What would be given to the kernel for one program: { maps, program }, or { error }. */
export async function planOf(spec, name) {
  try {
    const copy = only(spec, name);
    const plan = load('relocate').relocate(copy, await factsFor(copy));
    const [program] = plan.programs();
    return { maps: plan.maps.flatMap(plannedMaps), program: plannedProgram(program, copy) };
  } catch (error) {
    return { error };
  }
}

/** A map of maps is created after one that shows what those in it are like. */
function plannedMaps(plan) {
  const inner = plan.inner === undefined ? [] : plannedMaps(plan.inner);
  const map = {
    kernelName: plan.kernelName,
    ...commonOf(plan.spec),
    maxEntries: plan.maxEntries,
    keyType: plan.btfKeyTypeId,
    valueType: plan.btfValueTypeId,
  };
  return [...inner, map];
}

function plannedProgram(plan, spec) {
  const { type, attachType, flags } = plan.spec;
  return {
    name: plan.spec.name,
    kernelName: plan.kernelName,
    type,
    attachType,
    flags,
    attachBtfId: plan.attachBtfId,
    license: spec.license,
    code: plan.code,
    bindings: plan.bindings,
    poisons: plan.poisons,
    functionInfo: hex(plan.functionInfo),
    lineInfo: hex(plan.lineInfo),
  };
}

/** Loads all programs or, when that fails, each by itself: [{ name, error }], the error's facts as plain data. */
export async function loadsOf(spec) {
  const names = [...spec.programs.keys()];
  const all = spec.clone();
  for (const program of all.programs.values()) program.autoload = true;
  if ((await loadError(all)) === undefined) return names.map((name) => ({ name }));
  const loads = [];
  for (const name of names) loads.push({ name, error: await loadError(only(spec, name)) });
  return loads;
}

/** Loads and lets go again. */
async function loadError(spec) {
  giveSizes(spec);
  try {
    const ebpf = await require('./lib/index.ts').Ebpf.load(spec);
    await ebpf.close();
    return undefined;
  } catch (error) {
    return factsOf(error);
  }
}

function factsOf({ code, syscall, errno, errnoName, feature, summary, message }) {
  return { code, syscall, errno, errnoName, feature, summary, message };
}
