import * as abi from '../../../lib/abi/index.js';

/** Numbers as include/uapi/linux/bpf.h and perf_event.h define them, typed by hand: the generator cannot have invented them. */
test.each<[string, number, number]>([
  ['BPF_MAP_CREATE', abi.BpfCommand.MAP_CREATE, 0],
  ['BPF_PROG_LOAD', abi.BpfCommand.PROG_LOAD, 5],
  ['BPF_BTF_LOAD', abi.BpfCommand.BTF_LOAD, 18],
  ['BPF_LINK_CREATE', abi.BpfCommand.LINK_CREATE, 28],
  ['BPF_PROG_BIND_MAP', abi.BpfCommand.PROG_BIND_MAP, 35],
  ['BPF_MAP_TYPE_HASH', abi.MapType.HASH, 1],
  ['BPF_MAP_TYPE_PERF_EVENT_ARRAY', abi.MapType.PERF_EVENT_ARRAY, 4],
  ['BPF_MAP_TYPE_RINGBUF', abi.MapType.RINGBUF, 27],
  ['BPF_MAP_TYPE_ARENA', abi.MapType.ARENA, 33],
  ['BPF_PROG_TYPE_SOCKET_FILTER', abi.ProgramType.SOCKET_FILTER, 1],
  ['BPF_PROG_TYPE_XDP', abi.ProgramType.XDP, 6],
  ['BPF_PROG_TYPE_TRACING', abi.ProgramType.TRACING, 26],
  ['BPF_TRACE_RAW_TP', abi.AttachType.TRACE_RAW_TP, 23],
  ['BPF_TRACE_FENTRY', abi.AttachType.TRACE_FENTRY, 24],
  ['BPF_PERF_EVENT', abi.AttachType.PERF_EVENT, 41],
  ['BPF_LINK_TYPE_TRACING', abi.LinkType.TRACING, 2],
  ['BPF_LINK_TYPE_PERF_EVENT', abi.LinkType.PERF_EVENT, 7],
  ['BPF_FUNC_map_lookup_elem', abi.HelperId.map_lookup_elem, 1],
  ['BPF_FUNC_ringbuf_output', abi.HelperId.ringbuf_output, 130],
  ['BPF_FUNC_cgrp_storage_delete', abi.HelperId.cgrp_storage_delete, 211],
  ['BPF_NOEXIST', abi.MapUpdateFlag.NOEXIST, 1],
  ['BPF_F_MMAPABLE', abi.MapFlag.MMAPABLE, 1 << 10],
  ['BPF_F_RDONLY_PROG', abi.MapFlag.RDONLY_PROG, 1 << 7],
  ['BPF_STATS_RUN_TIME', abi.StatsType.RUN_TIME, 0],
  ['BPF_CORE_TYPE_MATCHES', abi.CoreRelocationKind.TYPE_MATCHES, 12],
  ['PERF_TYPE_TRACEPOINT', abi.PerfType.TRACEPOINT, 2],
  ['PERF_COUNT_SW_BPF_OUTPUT', abi.PerfSoftwareEvent.BPF_OUTPUT, 10],
  ['PERF_SAMPLE_RAW', abi.PerfSampleFormat.RAW, 1 << 10],
  ['PERF_RECORD_LOST', abi.PerfRecordType.LOST, 2],
  ['PERF_RECORD_SAMPLE', abi.PerfRecordType.SAMPLE, 9],
  ['BPF_RINGBUF_BUSY_BIT', abi.RingBufferHeader.BUSY_BIT, 2 ** 31],
  ['BPF_RINGBUF_DISCARD_BIT', abi.RingBufferHeader.DISCARD_BIT, 2 ** 30],
  ['BPF_RINGBUF_HDR_SZ', abi.RingBufferHeader.HDR_SZ, 8],
  ['BPF_RB_FORCE_WAKEUP', abi.RingBufferFlag.FORCE_WAKEUP, 2],
])('%s', (_, ours, kernels) => {
  expect(ours).toBe(kernels);
});

test.each<[string, readonly [number, number], readonly [number, number]]>([
  ['map_create.map_name', abi.MapCreateAttr.fields.map_name, [28, 16]],
  ['map_create.map_extra', abi.MapCreateAttr.fields.map_extra, [64, 8]],
  ['map_elem.value', abi.MapElementAttr.fields.value, [16, 8]],
  ['prog_load.license', abi.ProgLoadAttr.fields.license, [16, 8]],
  ['prog_load.prog_name', abi.ProgLoadAttr.fields.prog_name, [48, 16]],
  ['prog_load.attach_btf_id', abi.ProgLoadAttr.fields.attach_btf_id, [108, 4]],
  ['link_create.attach_type', abi.LinkCreateAttr.fields.attach_type, [8, 4]],
  ['link_create.perf_event.bpf_cookie', abi.LinkCreateAttr.fields['perf_event.bpf_cookie'], [16, 8]],
  ['raw_tracepoint.prog_fd', abi.RawTracepointOpenAttr.fields.prog_fd, [8, 4]],
  ['bpf_func_info.type_id', abi.FuncInfo.fields.type_id, [4, 4]],
  ['bpf_line_info.line_col', abi.LineInfo.fields.line_col, [12, 4]],
  ['bpf_core_relo.kind', abi.CoreRelocation.fields.kind, [12, 4]],
  ['perf_event_attr.config', abi.PerfEventAttr.fields.config, [8, 8]],
  ['perf_event_attr.wakeup_events', abi.PerfEventAttr.fields.wakeup_events, [48, 4]],
  ['perf_event_attr.disabled, in bits', abi.PerfEventAttrBits.disabled, [320, 1]],
  ['perf_event_header.size', abi.PerfEventHeader.fields.size, [6, 2]],
])('%s', (_, ours, kernels) => {
  expect(ours).toEqual(kernels);
});

test('record sizes', () => {
  expect([abi.FuncInfo.size, abi.LineInfo.size, abi.CoreRelocation.size, abi.PerfEventHeader.size]).toEqual([
    8, 16, 16, 8,
  ]);
});

test('no field leaves its layout', () => {
  for (const [name, value] of Object.entries(abi)) {
    if (!('fields' in value)) continue;
    for (const [field, [offset, size]] of Object.entries(value.fields as Record<string, readonly [number, number]>)) {
      if (offset + size > value.size) throw new Error(`${name}.${field} ends at ${offset + size} of ${value.size}`);
    }
  }
});
