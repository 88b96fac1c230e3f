// Writes lib/abi/enums.generated.ts and lib/abi/layouts.generated.ts from a kernel's BTF, so that no number of the kernel is typed by hand.
//
//   npm run build:ts && node scripts/generate-abi.mjs [--check] [--linux <version>] [path of a BTF]
//
// The BTF is read with our own reader, compiled (dist/). Default: the running kernel's, /sys/kernel/btf/vmlinux; with another path say
// which Linux it is of. `--check` writes nothing and fails when the files differ. The newest kernel at hand is the one to generate from: numbers
// and fields are only ever added to the kernel's interface.
import { readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as prettier from 'prettier';
import { Btf, BtfKind } from '../dist/index.js';

const runningKernel = '/sys/kernel/btf/vmlinux';

/** Enums with a name: ours, the kernel's, and what each value's name loses. Values that do not start so are counts such as `__MAX_…`. */
const namedEnums = [
  ['BpfCommand', 'bpf_cmd', 'BPF_'],
  ['MapType', 'bpf_map_type', 'BPF_MAP_TYPE_'],
  ['ProgramType', 'bpf_prog_type', 'BPF_PROG_TYPE_'],
  ['AttachType', 'bpf_attach_type', 'BPF_'],
  ['LinkType', 'bpf_link_type', 'BPF_LINK_TYPE_'],
  ['HelperId', 'bpf_func_id', 'BPF_FUNC_'],
  ['StatsType', 'bpf_stats_type', 'BPF_STATS_'],
  ['CoreRelocationKind', 'bpf_core_relo_kind', 'BPF_CORE_'],
  ['CgroupIterOrder', 'bpf_cgroup_iter_order', 'BPF_CGROUP_ITER_'],
  ['PerfLinkType', 'bpf_perf_event_type', 'BPF_PERF_EVENT_'],
  ['PerfType', 'perf_type_id', 'PERF_TYPE_'],
  ['PerfHardwareEvent', 'perf_hw_id', 'PERF_COUNT_HW_'],
  ['PerfSoftwareEvent', 'perf_sw_ids', 'PERF_COUNT_SW_'],
  ['PerfSampleFormat', 'perf_event_sample_format', 'PERF_SAMPLE_'],
  ['PerfRecordType', 'perf_event_type', 'PERF_RECORD_'],
];

/** Enums without a name are found by their first value. */
const anonymousEnums = [
  ['MapUpdateFlag', 'BPF_ANY', 'BPF_', 'Flags of BPF_MAP_UPDATE_ELEM.'],
  ['MapFlag', 'BPF_F_NO_PREALLOC', 'BPF_F_', 'Flags of BPF_MAP_CREATE.'],
  [
    'RingBufferHeader',
    'BPF_RINGBUF_BUSY_BIT',
    'BPF_RINGBUF_',
    "The first word of a ring buffer record: bits beside its length, and the header's size.",
  ],
  ['RingBufferFlag', 'BPF_RB_NO_WAKEUP', 'BPF_RB_', 'Flags of bpf_ringbuf_output, submit and discard.'],
];

/** The members of `union bpf_attr`, found by name or, those without, by their first field; and the commands that take them. */
const attributes = [
  ['MapCreateAttr', 'map_type', 'BPF_MAP_CREATE'],
  ['MapElementAttr', 'map_fd', 'BPF_MAP_*_ELEM, BPF_MAP_GET_NEXT_KEY and BPF_MAP_FREEZE'],
  ['MapBatchAttr', 'batch', 'BPF_MAP_*_BATCH'],
  ['ProgLoadAttr', 'prog_type', 'BPF_PROG_LOAD'],
  ['ObjectAttr', 'pathname', 'BPF_OBJ_PIN and BPF_OBJ_GET'],
  ['ProgAttachAttr', 'target_fd', 'BPF_PROG_ATTACH and BPF_PROG_DETACH'],
  ['ProgTestRunAttr', 'test', 'BPF_PROG_TEST_RUN'],
  ['ObjectIdAttr', 'start_id', 'BPF_*_GET_NEXT_ID and BPF_*_GET_FD_BY_ID'],
  ['ObjectInfoAttr', 'info', 'BPF_OBJ_GET_INFO_BY_FD'],
  ['ProgQueryAttr', 'query', 'BPF_PROG_QUERY'],
  ['RawTracepointOpenAttr', 'raw_tracepoint', 'BPF_RAW_TRACEPOINT_OPEN'],
  ['BtfLoadAttr', 'btf', 'BPF_BTF_LOAD'],
  ['TaskFdQueryAttr', 'task_fd_query', 'BPF_TASK_FD_QUERY'],
  ['LinkCreateAttr', 'link_create', 'BPF_LINK_CREATE'],
  ['LinkUpdateAttr', 'link_update', 'BPF_LINK_UPDATE'],
  ['LinkDetachAttr', 'link_detach', 'BPF_LINK_DETACH'],
  ['EnableStatsAttr', 'enable_stats', 'BPF_ENABLE_STATS'],
  ['IterCreateAttr', 'iter_create', 'BPF_ITER_CREATE'],
  ['ProgBindMapAttr', 'prog_bind_map', 'BPF_PROG_BIND_MAP'],
  ['TokenCreateAttr', 'token_create', 'BPF_TOKEN_CREATE'],
  ['ProgStreamReadAttr', 'prog_stream_read', 'BPF_PROG_STREAM_READ_BY_FD'],
];

const structs = [
  ['ProgInfo', 'bpf_prog_info'],
  ['MapInfo', 'bpf_map_info'],
  ['BtfInfo', 'bpf_btf_info'],
  ['LinkInfo', 'bpf_link_info'],
  ['FuncInfo', 'bpf_func_info'],
  ['LineInfo', 'bpf_line_info'],
  ['CoreRelocation', 'bpf_core_relo'],
  ['InstructionArrayValue', 'bpf_insn_array_value'],
  ['PerfEventAttr', 'perf_event_attr'],
  ['PerfEventHeader', 'perf_event_header'],
];

const unions = [['IterLinkInfo', 'bpf_iter_link_info']];

/** Structs whose bit-fields are wanted too, as `…Bits`. */
const structsWithBits = [['PerfEventAttrBits', 'perf_event_attr']];

function find(btf, name, kind) {
  const id = btf.find(name, kind);
  if (id === undefined) throw new Error(`this kernel has no ${name}: generate from a newer one`);
  return btf.type(id);
}

function enumValues(type, prefix) {
  return type.values
    .filter(({ name }) => name.startsWith(prefix) && !name.endsWith('_MAX'))
    .map(({ name, value }) => `${key(name.slice(prefix.length))}: ${value},`);
}

function findAnonymousEnum(btf, firstValue) {
  for (let id = btf.startId; id < btf.endId; id++) {
    if (btf.kind(id) !== BtfKind.ENUM || btf.nameOf(id) !== '') continue;
    const type = btf.type(id);
    if (type.values[0]?.name === firstValue) return type;
  }
  throw new Error(`this kernel has no enum that starts with ${firstValue}: generate from a newer one`);
}

function key(name) {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : `'${name}'`;
}

/** Fields with their place, anonymous structs and unions opened, named ones as `outer.inner`; bit-fields have no place in bytes. */
function fields(btf, type, prefix = '', base = 0) {
  const found = [];
  for (const member of type.members) {
    if (member.bitSize !== 0) continue;
    const offset = base + member.bitOffset / 8;
    const inner = btf.type(btf.skipModifiers(member.type));
    if (inner.kind === BtfKind.STRUCT || inner.kind === BtfKind.UNION) {
      found.push(...fields(btf, inner, member.name === '' ? prefix : `${prefix}${member.name}.`, offset));
    } else if (member.name !== '') {
      found.push({ name: prefix + member.name, offset, size: btf.sizeOf(member.type) });
    }
  }
  return found;
}

function layout(btf, name, doc, type) {
  const lines = fields(btf, type).map((field) => `${key(field.name)}: [${field.offset}, ${field.size}],`);
  return `/** ${doc} */\nexport const ${name} = {\n  size: ${type.size},\n  fields: {\n${lines.join('\n')}\n},\n} as const;\n`;
}

function bits(name, kernelName, type) {
  const lines = type.members
    .filter((member) => member.bitSize !== 0 && !member.name.startsWith('__'))
    .map((member) => `${key(member.name)}: [${member.bitOffset}, ${member.bitSize}],`);
  const doc = `The bit-fields of \`struct ${kernelName}\`: [bit offset, bits], counted from the lowest bit on little-endian machines.`;
  return `/** ${doc} */\nexport const ${name} = {\n${lines.join('\n')}\n} as const;\n`;
}

function findAttribute(btf, which) {
  const union = find(btf, 'bpf_attr', BtfKind.UNION);
  for (const member of union.members) {
    const type = btf.type(btf.skipModifiers(member.type));
    if (member.name === which || (member.name === '' && fields(btf, type)[0]?.name === which)) return type;
  }
  throw new Error(`this kernel's union bpf_attr has no ${which}: generate from a newer one`);
}

function enums(btf) {
  const named = namedEnums.map(([name, kernelName, prefix]) => {
    const values = enumValues(find(btf, kernelName, BtfKind.ENUM), prefix);
    return `/** \`enum ${kernelName}\` */\nexport const ${name} = {\n${values.join('\n')}\n} as const;\nexport type ${name} = (typeof ${name})[keyof typeof ${name}];\n`;
  });
  const anonymous = anonymousEnums.map(([name, firstValue, prefix, doc]) => {
    const values = enumValues(findAnonymousEnum(btf, firstValue), prefix);
    return `/** ${doc} */\nexport const ${name} = {\n${values.join('\n')}\n} as const;\n`;
  });
  return [...named, ...anonymous].join('\n');
}

function layouts(btf) {
  return [
    '// Each field is [byte offset, byte size] in `union bpf_attr` or the named struct.\n',
    ...attributes.map(([name, which, commands]) =>
      layout(btf, name, `\`union bpf_attr\` of ${commands}.`, findAttribute(btf, which)),
    ),
    ...structs.map(([name, kernelName]) =>
      layout(btf, name, `\`struct ${kernelName}\`.`, find(btf, kernelName, BtfKind.STRUCT)),
    ),
    ...unions.map(([name, kernelName]) =>
      layout(btf, name, `\`union ${kernelName}\`.`, find(btf, kernelName, BtfKind.UNION)),
    ),
    ...structsWithBits.map(([name, kernelName]) => bits(name, kernelName, find(btf, kernelName, BtfKind.STRUCT))),
  ].join('\n');
}

async function main() {
  const { values: options, positionals } = parseArgs({
    options: { check: { type: 'boolean' }, linux: { type: 'string' } },
    allowPositionals: true,
  });
  const path = positionals[0] ?? runningKernel;
  const version = options.linux ?? (path === runningKernel ? release().split('.').slice(0, 2).join('.') : undefined);
  if (version === undefined) throw new Error(`say with --linux which version ${path} is of`);
  const btf = Btf.parse(readFileSync(path), { name: path });
  const header = `// Generated by scripts/generate-abi.mjs from the BTF of Linux ${version}. Do not edit.\n\n`;
  let different = 0;
  for (const [name, generate] of Object.entries({ enums, layouts })) {
    const file = fileURLToPath(new URL(`../lib/abi/${name}.generated.ts`, import.meta.url));
    const config = await prettier.resolveConfig(file);
    const text = await prettier.format(header + generate(btf), { ...config, filepath: file });
    if (options.check !== true) writeFileSync(file, text);
    else if (readFileSync(file, 'utf8') !== text) {
      different++;
      console.error(`lib/abi/${name}.generated.ts is not what the BTF of Linux ${version} gives`);
    }
  }
  if (different > 0) process.exitCode = 1;
}

await main();
