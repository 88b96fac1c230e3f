import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { Ebpf, PerfEvent, PerfEventArray, type PerfEventsLink } from '../../lib/index.js';
import { emulated } from '../helpers/emulation.js';
import { rawArguments, sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { until } from '../helpers/until.js';

const switchOf1 = '/sys/devices/system/cpu/cpu1/online';
/** No other machine is to lose a processor for a test. */
const isOurs = emulated && existsSync(switchOf1);

afterAll(() => {
  if (isOurs) setOnline(true);
});

function setOnline(online: boolean): void {
  const wanted = online ? '1' : '0';
  if (readFileSync(switchOf1, 'utf8').trim() !== wanted) writeFileSync(switchOf1, wanted);
}

testIf(isOurs, 'a processor that can be switched off')(
  'a reader of perf buffers works while a CPU is offline, and reads it whenever it is online',
  async () => {
    setOnline(false);
    await using ebpf = await Ebpf.load(sample('perf_burst'));
    let written = 0;
    const write = async (cpu: number): Promise<void> => {
      written++;
      await ebpf.program('burst').testRun({ context: rawArguments(1, 64), flags: 1, cpu });
    };
    const reader = ebpf.map('events', PerfEventArray).read();
    const seen = [0, 0];
    const reading = reader.forEach((_event, cpu) => {
      seen[cpu] = (seen[cpu] ?? 0) + 1;
    });
    /** Writes on a CPU until an event of it arrives: the reader hears of its coming a moment later. */
    const arrives = async (cpu: number): Promise<void> => {
      const before = seen[cpu];
      for (let attempt = 0; attempt < 500 && seen[cpu] === before; attempt++) {
        await write(cpu);
        await sleep(10);
      }
      expect(seen[cpu]).toBeGreaterThan(before ?? 0);
    };

    await arrives(0);
    expect(seen[1]).toBe(0);
    for (let round = 0; round < 2; round++) {
      setOnline(true);
      await arrives(1);
      setOnline(false);
      await arrives(0);
    }
    await reader.close();
    await reading;
    const received = (seen[0] ?? 0) + (seen[1] ?? 0);
    expect(received + Number(ebpf.variables['events_dropped'])).toBe(written);
  },
  120_000,
);

testIf(isOurs, 'a processor that can be switched off')(
  'a flight recorder has what a CPU wrote before it went offline, and records it once it is online again',
  async () => {
    setOnline(true);
    await using ebpf = await Ebpf.load(sample('perf_burst'));
    await using recorder = ebpf.map('events', PerfEventArray).record({ cpus: [1] });
    const write = async (): Promise<boolean> => {
      const before = ebpf.variables['events_dropped'];
      await ebpf.program('burst').testRun({ context: rawArguments(1, 64), flags: 1, cpu: 1 });
      return ebpf.variables['events_dropped'] === before;
    };
    for (let record = 0; record < 3; record++) expect(await write()).toBe(true);
    setOnline(false);
    expect((await recorder.snapshot()).length).toBe(3);
    setOnline(true);
    // It hears of it a moment later.
    let attempts = 0;
    while (!(await write()) && attempts++ < 500) await sleep(10);
    expect([...(await recorder.snapshot()).cpus].slice(0, 1)).toEqual([1]);
    expect(recorder.stats.events).toBe(4);
  },
  120_000,
);

testIf(isOurs, 'a processor that can be switched off')(
  'a program of a perf event runs on CPUs that come, and again on those that went',
  async () => {
    setOnline(false);
    await using ebpf = await Ebpf.load(sample('perf_event'));
    const program = ebpf.program('count', PerfEvent);
    const cpus = (link: PerfEventsLink): string[] => link.links.map(({ target }) => target.replace(/.*\(|\)/gu, ''));
    const everywhere = await program.attach({ event: 'cpu-clock', frequency: 10 });
    expect(cpus(everywhere)).toEqual(['CPU 0']);
    await expect(program.attach({ event: 'cpu-clock', frequency: 10, cpus: [1] })).rejects.toMatchObject({
      path: 'cpus',
    });
    setOnline(true);
    await until(() => everywhere.links.length === 2);
    expect(cpus(everywhere)).toEqual(['CPU 0', 'CPU 1']);
    await everywhere.close();

    // Of one CPU: what runs is known to have run there, idle or not.
    const runs = (): bigint => ebpf.variables['runs'] as bigint;
    const link = await program.attach({ event: 'cpu-clock', period: 1_000_000, cpus: [1] });
    program.close();
    for (let round = 0; round < 2; round++) {
      const before = runs();
      await until(() => runs() > before + 3n);
      setOnline(false);
      await until(() => link.links.length === 0);
      const stopped = runs();
      await sleep(50);
      expect(runs()).toBe(stopped);
      setOnline(true);
      await until(() => link.links.length === 1);
    }
    // While the event loop is held, nobody sees it go and come.
    const [old] = link.links;
    setOnline(false);
    setOnline(true);
    await until(() => link.links.length === 1 && link.links[0] !== old);
    const before = runs();
    await until(() => runs() > before + 3n);
    await link.close();
    const stopped = runs();
    setOnline(false);
    setOnline(true);
    await sleep(50);
    expect([runs(), link.links.every(({ closed }) => closed)]).toEqual([stopped, true]);
  },
  120_000,
);
