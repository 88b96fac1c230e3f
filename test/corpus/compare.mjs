// Where this library and libbpf say different things of an object.

/** [{ where, field, ours, theirs }] of an object as it was opened. */
export function compareOpened(ours, theirs) {
  const programs = theirs.filter(({ event }) => event === 'program');
  const maps = theirs.filter(({ event }) => event === 'map');
  return [
    ...pair('program', ours.programs, programs, (program) => program.name),
    ...pair('map', ours.maps.map(mapAsOpened), maps.map(theirMapAsOpened), (map) => map.name),
  ];
}

// libbpf knows data maps by what the kernel will call them.
const mapAsOpened = (map) => ({
  ...without(map, 'kernelName'),
  name: map.internal ? map.kernelName : map.name,
});

const theirMapAsOpened = (map) => ({ ...without(map, 'pinPath'), pinned: map.pinPath !== '' });

/** The same of what the kernel would be given for one program, with the object's maps. */
export function comparePlanned(ours, theirs) {
  const numbered = (maps) => maps.map((map, index) => ({ ...map, name: `${index} ${map.kernelName}` }));
  const program = normalised(theirs.program, theirBindings(theirs.program));
  return [
    ...pair('created map', numbered(ours.maps), numbered(theirs.maps), (map) => map.name),
    ...pair('loaded program', [normalised(ours.program, ourBindings(ours))], [program], ({ name }) => name),
  ];
}

function pair(what, ours, theirs, key) {
  const differences = [];
  const left = new Map(theirs.map((each) => [key(each), each]));
  for (const mine of ours) {
    const other = left.get(key(mine));
    left.delete(key(mine));
    const where = `${what} ${key(mine)}`;
    if (other === undefined) differences.push({ where, field: 'existence', ours: 'there', theirs: 'absent', mine });
    else differences.push(...fields(where, mine, other));
  }
  for (const [name, other] of left)
    differences.push({ where: `${what} ${name}`, field: 'existence', ours: 'absent', theirs: 'there', other });
  return differences;
}

function fields(where, mine, other) {
  return Object.keys(mine)
    .filter((field) => JSON.stringify(mine[field]) !== JSON.stringify(other[field]))
    .map((field) => ({ where, field, ours: mine[field], theirs: other[field], mine, other }));
}

function without(object, ...names) {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
}

// BPF_LD | BPF_DW | BPF_IMM with src_reg BPF_PSEUDO_MAP_FD or BPF_PSEUDO_MAP_VALUE (include/uapi/linux/bpf.h)
const isMapLoad = (code, offset) => code[offset] === 0x18 && [1, 2].includes(code[offset + 1] >> 4);

/** [[byte offset of the immediate, map]] */
function theirBindings({ code, descriptors }) {
  const bytes = Buffer.from(code, 'hex');
  const bindings = [];
  for (let offset = 0; offset < bytes.length; offset += 8) {
    if (isMapLoad(bytes, offset)) bindings.push([offset + 4, descriptors[bytes.readInt32LE(offset + 4)] ?? 'unknown']);
    if (bytes[offset] === 0x18) offset += 8;
  }
  return bindings;
}

const ourBindings = ({ program, shownNames }) =>
  program.bindings.map(({ offset, map }) => [offset, shownNames.get(map) ?? map]);

/** A program with zeros for descriptors. */
function normalised(program, bindings) {
  const code = typeof program.code === 'string' ? Buffer.from(program.code, 'hex') : Buffer.from(program.code);
  for (const [offset] of bindings) code.writeInt32LE(0, offset);
  const { name, kernelName, type, attachType, flags, attachBtfId, license, functionInfo, lineInfo } = program;
  const facts = { name, kernelName, type, attachType, flags, attachBtfId, license, functionInfo, lineInfo };
  return { ...facts, bindings, code: code.toString('hex') };
}

/** The first instruction that differs: `12: 85… ours, 18… libbpf`. */
export function show({ field, ours, theirs }) {
  if (field !== 'code' || ours === undefined || theirs === undefined) return `${short(ours)}, libbpf ${short(theirs)}`;
  const count = Math.max(ours.length, theirs.length) / 16;
  for (let index = 0; index < count; index++) {
    const [mine, other] = [ours, theirs].map((text) => text.slice(index * 16, index * 16 + 16));
    if (mine !== other)
      return `instruction ${index} of ${ours.length / 16}: ${mine}, libbpf ${other} of ${theirs.length / 16}`;
  }
  return 'the same';
}

function short(value) {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
