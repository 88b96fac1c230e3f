/** `files('btf', 'btf words')`: these files of lib/btf. */
const files = (folder, names) => names.split(' ').map((name) => `${folder}/${name}`);

/**
 * Files of numbers and functions alone, without state and classes: each part has of them what it uses, so that a load does not
 * read what only other calls need.
 */
export const copied = ['abi', ...files('sys', 'btf-calls map-calls program-calls')];

/**
 * The files of dist/, and what of lib/ is in each, folders or files: the first that names a file has it. What a call needs
 * that is made at the start of a program should be in few; test/package holds loads to `types` and `load`.
 */
export const parts = {
  // What kernelBtf() does, and nearly every other call.
  types: [
    ...['ebpf', 'read-source', 'shape', 'binary/byte-reader', 'binary/host', 'events/channels'],
    ...files(
      'btf',
      'btf btf-header btf-kind core-marker decode-type essential-name member-list name-hash name-index names slices type-index',
    ),
    ...files('btf', 'type-table words'),
    ...files('errors', 'ebpf-error kernel-error object-format-error quote unsupported-error usage-error'),
    ...files('kernel', 'kernel-btf read-sysfs read-whole'),
    ...files('sys', 'addon c-library read-file'),
  ],
  // What Ebpf.load() does for nearly every object.
  load: [
    ...['elf/elf-constants', 'elf/elf-file', 'elf/string-table', 'load-options', 'load-parts', 'load-targets'],
    ...files('asm', 'instruction opcodes'),
    ...files('binary', 'byte-writer lower-bound'),
    ...files(
      'btf',
      'btf-ext btf-type data-sections extern-declarations newer-kinds type-name type-size validate-types',
    ),
    ...files('kernel', 'gather-facts locked-memory module-descriptors page-size possible-cpus read-text require-linux'),
    'errors/check-options',
    ...files('maps', 'create-maps map-type-name'),
    ...files(
      'object',
      'arena data-maps data-section declared-maps externs function-ranges function-references functions',
    ),
    ...files(
      'object',
      'assembler jump-tables kconfig-section legacy-maps logs map-definition map-spec object-btf object-spec',
    ),
    ...files('object', 'program-flag program-spec read-object section-table side-tables struct-ops-maps variable-spec'),
    'programs/load-programs',
    ...files(
      'relocate',
      'apply-core-relocations apply-references arena attach-target btf-for-load debug-info disabled-logs',
    ),
    ...files(
      'relocate',
      'function-linker kconfig kernel-extern linked-functions log-numbers map-plans needs optional-programs program-draft',
    ),
    ...files('relocate', 'program-type programs-to-load relocate special-fields struct-ops'),
    ...files('relocate/core', 'access access-value core-problem core-relocation-kind core-resolver match-access'),
    'relocate/core/patch-instruction',
    ...files('sys', 'attribute-writer bpf-call handle limit-calls trace'),
  ],
  // Names of addresses.
  symbols: [
    ...files('kernel', 'kallsyms kernel-symbols sorted-order'),
    ...files('user-space', 'perf-map perf-map-file process-memory process-symbols symbol-file symbol-files'),
  ],
  // Programs at functions of the kernel and of user space, and at perf events.
  probes: [
    'user-space',
    ...files('elf', 'byte-source elf-headers elf-image elf-layout elf-notes elf-symbol-table elf-versions'),
    ...files('programs', 'kernel-probe kernel-probe-event kprobe kretprobe uprobe uretprobe user-probe'),
    ...files('programs', 'uprobe-multi uprobe-multi-attach uprobe-multi-program uprobe-session uretprobe-multi'),
    ...files('programs', 'usdt usdt-addresses usdt-spec usdt-specs'),
    ...files('links', 'uprobe-multi-link usdt-link'),
    ...files('programs', 'perf-event perf-event-failure perf-event-names perf-event-places'),
    ...files('programs', 'perf-event-cpus perf-event-sampling perf-event-source'),
  ],
  // Maps that are made or opened without an object, and of types that few objects have.
  maps: [
    'codec/btf-from-layouts',
    ...files('btf', 'btf-builder with-type-ids'),
    ...files(
      'maps',
      'bloom-filter create-map kernel-types lpm-key lpm-trie lru-per-cpu-hash-map open-map per-cpu-array-map per-cpu-hash-map per-cpu-values push-pop-map queue share-token stack sum-of-cpus trie-conditions value-store',
    ),
    ...files('maps', 'arena mapped-memory struct-ops user-record user-ring-buffer'),
    'sys/user-ring',
    ...files(
      'maps',
      'array-of-maps cgroup-array hash-of-maps held-failure inner-map insn-array program-array slots stack-trace-map',
    ),
    ...files(
      'maps',
      'cgroup-storage cgroup-storage-map cgrp-storage inode-storage local-storage per-cpu-cgroup-storage sk-storage task-storage',
    ),
  ],
  // Kernel functions by pattern, and programs at many of them.
  functions: [
    ...files(
      'kernel',
      'function-choice function-list glob kernel-functions read-lines syscall-function traceable-functions',
    ),
    ...files('programs', 'choose-functions kprobe-multi kprobe-multi-attach'),
    ...files('programs', 'kprobe-multi-program kprobe-session kretprobe-multi kretsyscall ksyscall'),
    'links/kprobe-multi-link',
  ],
  // BTF and objects written, printed and merged.
  write: [
    ...files('codec', 'typescript typescript-names'),
    'btf',
    'elf',
    'object/rename-map',
    'object/write',
    'asm',
    'relocate/disassemble-program',
    'relocate/minimize-btf',
  ],
  // What few objects have or need.
  seldom: [
    'events/logs',
    ...files('kernel', 'btf-file full-range-offsets gather-kconfig kernel-config symbol-scanner kernel-version'),
    ...files('kernel', 'module-btf pin'),
    ...files('sys', 'link-info object-calls pinned-maps program-info read-info'),
    ...['object', 'relocate', 'asm/code-builder'],
  ],
  // Programs and maps of networks, and of cgroups.
  network: [
    ...files('programs', 'cgroup-device cgroup-mode cgroup-program cgroup-skb cgroup-sock cgroup-sock-addr lsm-cgroup'),
    ...files('programs', 'cgroup-sockopt cgroup-sysctl'),
    ...files('kernel', 'list-interfaces network-interface open-network-namespace'),
    ...files(
      'sys',
      'interface-calls netlink-calls netlink-message query-calls route-calls socket-calls tc-calls xdp-calls xdp-features',
    ),
    ...files('programs', 'attach-order flow-dissector interface-target lwt-in lwt-out lwt-seg6local lwt-xmit'),
    ...files('programs', 'netfilter netfilter-names netkit network-namespace-attach program-device route-program'),
    ...files('programs', 'run-contexts'),
    ...files('programs', 'sk-lookup sk-msg sk-reuseport sk-skb sock-ops'),
    ...files(
      'programs',
      'socket-attach socket-filter lirc-mode2 sched-action socket-map-attach tc tc-filter xdp xdp-netlink',
    ),
    ...files('maps', 'cpu-map dev-map dev-map-hash device-map network-value reuseport-sock-array'),
    ...files('maps', 'sock-hash sock-map socket-array socket-value xsk-map'),
  ],
  // What is asked about what the kernel holds, and tokens.
  inspect: [
    ...files('kernel', 'bpf-token holders kernel-device kernel-helpers list-objects short-lived-maps token-delegation'),
    ...files('programs', 'attach-target attach-type code list-programs program-stats read-code'),
    ...['links/list-links', 'maps/list-maps', 'sys/program-code', 'sys/token-calls'],
  ],
  // Several XDP programs on one interface.
  dispatcher: ['dispatcher', 'sys/lock-file'],
  // What is told once something failed, or to those who ask.
  why: [
    ...['errors', 'kernel', 'relocate/source-line', 'sys/kernel-log', 'sys/link-info', 'sys/probe-calls'],
    ...files('programs', 'load-failure device-failure verifier-log attach-failure'),
    ...files('maps', 'call-failure map-failure'),
  ],
  // Entries of maps, and variables: read, written, walked.
  values: [
    ...files('maps', 'entry-store hash-map keyed-map lru-hash-map map-types raw-map set-options shape-differences'),
    ...files('maps', 'variable variables walk'),
  ],
  // Perf events, and buffers of them.
  perf: [
    ...files('events', 'flight-recorder ordered-intake perf-events perf-options time-order'),
    ...[
      'kernel/program-barrier',
      'maps/perf-event-array',
      'programs/perf-event-attach',
      'programs/tracepoint',
      'sys/cpu-watch',
      'sys/perf-buffer',
      'sys/perf-event-calls',
    ],
  ],
  // What few do with a loaded object: runs of programs, iterators, the kernel's log.
  more: [
    ...files('events', 'kernel-log trace-lines'),
    ...['links/iterator-output', 'logs', 'programs/freplace', 'programs/iterator-program', 'programs/jump-tables'],
    ...files('programs', 'program-stream run-context syscall-program test-run'),
    ...files('sys', 'descriptor-calls iterator-calls socket-descriptor storage-calls'),
  ],
  // What codecs seldom need: declared types compared with those of an object, addresses, unions, interpreters in place of generated code.
  checks: files(
    'codec',
    'check-layout compare-layouts declaration interpret-decode ip-address unsafe-integer write-union',
  ),
  codec: ['codec', 'binary'],
  // For those who name the kernel's numbers.
  numbers: ['abi'],
  // What is done with a loaded object: attached, read, written.
  live: ['live-parts', 'logs', 'pin-folder', 'events', 'links', 'maps', 'programs', 'sys', 'index'],
};
