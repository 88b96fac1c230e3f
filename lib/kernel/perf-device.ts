import { readFile } from 'node:fs/promises';

import { UnsupportedError } from '../errors/index.js';

/** A kind of event that perf_event_open takes beside the built-in ones. */
export interface PerfDevice {
  /** `type` of `struct perf_event_attr`. */
  readonly type: number;
  /** `config` that asks for the return of a function in place of its entry. */
  readonly returnConfig: bigint;
  /** Where in `config` the place of a counter stands that is raised while the probe is there. Only of programs' functions. */
  readonly counterShift: bigint | undefined;
}

const options = { kprobe: 'CONFIG_KPROBE_EVENTS', uprobe: 'CONFIG_UPROBE_EVENTS' } as const;

/**
 * How this kernel numbers the probes of kernel functions or of programs' functions.
 *
 * @throws {@link UnsupportedError} when the kernel was built without them.
 */
export async function probeDevice(name: keyof typeof options): Promise<PerfDevice> {
  const folder = `/sys/bus/event_source/devices/${name}`;
  try {
    const [type, format, counter] = await Promise.all([
      readFile(`${folder}/type`, 'utf8'),
      readFile(`${folder}/format/retprobe`, 'utf8'),
      readFile(`${folder}/format/ref_ctr_offset`, 'utf8').catch(() => ''),
    ]);
    // "config:0": the number of a bit; "config:32-63": the first and the last.
    const bit = /^config:(\d+)$/m.exec(format)?.[1] ?? '0';
    const shift = /^config:(\d+)-\d+$/m.exec(counter)?.[1];
    return {
      type: Number.parseInt(type, 10),
      returnConfig: 1n << BigInt(bit),
      counterShift: shift === undefined ? undefined : BigInt(shift),
    };
  } catch (cause) {
    throw new UnsupportedError(
      `${name}s`,
      `${folder} cannot be read; the kernel must be built with ${options[name]}=y and sysfs be mounted`,
      { cause },
    );
  }
}
