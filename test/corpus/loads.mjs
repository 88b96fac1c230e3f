// Whether this library and libbpf load the same programs into one kernel, and fail alike where they do not.

// enum bpf_cmd (include/uapi/linux/bpf.h)
const commands = new Map([
  [0, 'bpf(BPF_MAP_CREATE)'],
  [5, 'bpf(BPF_PROG_LOAD)'],
]);

/**
 * `ours` are { name, error }, `said` libbpf's events. Returns { loads: { name, error, theirs }, differences }; `where` says
 * on which kernel.
 */
export function compareLoads(ours, said, where) {
  const theirs = new Map(
    said.filter(({ event }) => event === 'loaded' || event === 'failed').map((event) => [event.name, event]),
  );
  const loads = ours.map(({ name, error }) => ({ name, error, theirs: theirs.get(name) }));
  const differences = loads.flatMap(({ name, error, theirs: event }) => {
    const [mine, other] = [outcomeOf(error), event === undefined ? mineAlone(said) : theirOutcome(event)];
    if (other === undefined || mine === other) return [];
    return [{ where: `program ${name}${where}`, field: 'load', ours: mine, theirs: other, error, event }];
  });
  return { loads, differences };
}

/** Undefined when libbpf was not asked. */
const mineAlone = (said) => (said.length === 0 ? undefined : 'nothing said');

/** By the library, before the kernel is asked. */
export const refused = 'refused before the kernel is asked';

function outcomeOf(error) {
  if (error === undefined) return 'loaded';
  return error.errno === undefined ? refused : `${error.syscall} ${-error.errno}`;
}

function theirOutcome({ event, command, errno }) {
  if (event === 'loaded') return 'loaded';
  return command < 0 ? refused : `${commands.get(command)} ${errno}`;
}
