/** `files('btf', 'btf words')`: these files of lib/btf. */
const files = (folder, names) => names.split(' ').map((name) => `${folder}/${name}`);

/**
 * The files of dist/, and what of lib/ is in each, folders or files: the first that names a file has it. What a call needs
 * that is made at the start of a program should be in few; test/package holds loads to `types` and `load`.
 */
export const parts = {
  // What kernelBtf() does, and nearly every other call.
  types: [
    ...files('errors', 'ebpf-error kernel-error object-format-error quote unsupported-error usage-error'),
    'binary/byte-reader',
    ...files(
      'btf',
      'btf btf-header btf-kind decode-type essential-name names prefix-index scan-module.generated scanner slices type-table words',
    ),
    ...files('kernel', 'kernel-btf read-sysfs'),
    ...files('sys', 'addon read-file'),
    'ebpf',
    'shape',
  ],
  // What is told once something failed, or to those who ask.
  why: [
    'errors',
    ...files('kernel', 'explain-permission kernel-functions kernel-knows tracefs features'),
    ...files('sys', 'kernel-log object-calls probe-calls'),
    ...files('programs', 'load-failure verifier-log attach-failure'),
    ...files('maps', 'call-failure map-failure'),
    'relocate/source-line',
  ],
  // BTF and objects written, printed and merged.
  write: [
    ...files('btf', 'btf-builder c dedup encode-btf-ext name-index type-name with-type-ids'),
    ...files('elf', 'elf-writer string-table-writer'),
    ...files('object', 'rename-map write'),
    ...files('asm', 'disassemble helper-name'),
    ...files('relocate', 'disassemble-program minimize-btf'),
  ],
  // What few objects have or need.
  seldom: [
    ...files('kernel', 'btf-file full-range-offsets gather-kconfig kernel-config kernel-symbols kernel-version'),
    'kernel/module-btf',
    'relocate/apply-extern',
  ],
  codec: ['codec', ...files('maps', 'struct-ops value-types variable walk')],
  // Programs and maps of networks.
  network: [
    ...files('kernel', 'list-interfaces network-interface open-network-namespace'),
    ...files('sys', 'interface-calls netlink-calls netlink-message socket-calls'),
    ...files('programs', 'interface-target sk-lookup sk-msg sk-reuseport sk-skb sock-ops'),
    ...files('programs', 'socket-attach socket-filter socket-map-attach xdp'),
    ...files('maps', 'cpu-map dev-map dev-map-hash device-map network-value reuseport-sock-array'),
    ...files('maps', 'sock-hash sock-map socket-array socket-value xsk-map'),
  ],
  // What programs are attached with, and what they send.
  attach: [
    ...['links', 'kernel/perf-device'],
    ...files('events', 'batch event-reader iterators read-options'),
    ...files('programs', 'kernel-probe perf-event-attach tracing-attach'),
    ...files('sys', 'link-calls perf-event-calls ring'),
  ],
  // Maps that are made or opened without an object, and of types that few objects have.
  maps: files(
    'maps',
    'bloom-filter create-map kernel-types lpm-key lpm-trie lru-per-cpu-hash-map open-map per-cpu-array-map per-cpu-hash-map per-cpu-values push-pop-map queue share-token stack value-store',
  ),
  // What Ebpf.load() does for every object.
  load: [
    ...[
      'abi',
      'asm',
      'binary',
      'btf',
      'elf',
      'events',
      'index',
      'kernel',
      'load-options',
      'load-parts',
      'maps',
      'object',
    ],
    ...['programs', 'relocate', 'sys'],
  ],
};
