import { readFileSync } from 'node:fs';

import { Ebpf, ObjectSpec, ProgramArray, ProgramType, type TestRunOptions } from '../../lib/index.js';
import { rawArguments, sample } from '../helpers/samples.js';

const notTaken = 99;
const taken = 7;

let ebpf: Ebpf;

beforeEach(async () => {
  ebpf = await Ebpf.load(sample('tail_calls'));
});

afterEach(async () => {
  await ebpf.close();
});

const packet: TestRunOptions = { data: new Uint8Array(64) };

/** Each type of program with what it is test-run with. */
const types: readonly [program: string, map: string, options: TestRunOptions][] = [
  ['packet', 'packets', packet],
  ['frame', 'frames', packet],
  ['traffic', 'traffic', packet],
  ['trace', 'traces', { context: rawArguments(0) }],
];

async function run(program: string, options: TestRunOptions): Promise<number> {
  return (await ebpf.program(program).testRun(options)).returnValue;
}

function refused(path: string, message: string): Error {
  return expect.objectContaining({
    name: 'UsageError',
    code: 'ERR_EBPF_INVALID_VALUE',
    path,
    message: expect.stringContaining(message) as string,
  }) as Error;
}

describe('ProgramArray', () => {
  test.each(types)(
    '%s programs jump to what is in a slot, and nowhere from an empty one',
    async (kind, map, options) => {
      const from = `${kind}_from`;
      const programs = ebpf.map(map, ProgramArray);
      expect(await run(from, options)).toBe(notTaken);
      expect(programs.has(0)).toBe(false);
      await programs.set(0, ebpf.program(`${kind}_to`));
      expect(await run(from, options)).toBe(taken);
      expect(ebpf.variable('reached').value).toBe(1n);

      // The slot that the program looks at is another.
      ebpf.variable('slot').value = 3;
      expect(await run(from, options)).toBe(notTaken);
      ebpf.variable('slot').value = 4;
      expect(await run(from, options)).toBe(notTaken);
      ebpf.variable('slot').value = 0;

      expect(await programs.delete(0)).toBe(true);
      expect(await programs.delete(0)).toBe(false);
      expect(await run(from, options)).toBe(notTaken);
      expect(ebpf.variable('reached').value).toBe(1n);
    },
  );

  test('changes direct jumps too', async () => {
    const traces = ebpf.map('traces', ProgramArray);
    const options = { context: rawArguments(0) };
    expect(await run('trace_fixed', options)).toBe(notTaken);
    await traces.set(1, ebpf.program('trace_to'));
    expect(await run('trace_fixed', options)).toBe(taken);
    await traces.delete(1);
    expect(await run('trace_fixed', options)).toBe(notTaken);
  });

  test('tells the ids of its programs', async () => {
    const packets = ebpf.map('packets', ProgramArray);
    const { id } = ebpf.program('packet_to').info();
    const from = ebpf.program('packet_from').info().id;
    await packets.set(3, ebpf.program('packet_to'));
    await packets.set(1, ebpf.program('packet_from'));
    expect(packets.length).toBe(4);
    expect([...packets.ids()]).toEqual([
      [1, from],
      [3, id],
    ]);
    expect([packets.programId(3), packets.programId(0), packets.programId(4)]).toEqual([id, undefined, undefined]);
    expect([packets.has(3), packets.has(0), packets.has(4)]).toEqual([true, false, false]);
    // In place of what is there.
    await packets.set(3, ebpf.program('packet_from'));
    expect(packets.programId(3)).toBe(from);
  });

  test('keeps programs that are closed', async () => {
    await ebpf.map('packets', ProgramArray).set(0, ebpf.program('packet_to'));
    ebpf.program('packet_to').close();
    expect(await run('packet_from', packet)).toBe(taken);
  });

  test('says why a program does not fit', async () => {
    const packets = ebpf.map('packets', ProgramArray);
    await expect(packets.set(0, ebpf.program('frame_to'))).rejects.toThrow(
      refused(
        'program',
        'program "frame_to" does not fit map "packets": the programs in it are of type SOCKET_FILTER, as the first one ' +
          'that was loaded with it or put into it, and this one is of type XDP',
      ),
    );
    // One that no program was loaded with takes any: then it is of that type.
    const unowned = ebpf.map('unowned', ProgramArray);
    await unowned.set(0, ebpf.program('frame_to'));
    await expect(unowned.set(1, ebpf.program('packet_to'))).rejects.toThrow(refused('program', 'are of type XDP'));
    expect([...unowned.ids()].map(([index]) => index)).toEqual([0]);
  });

  test('says the same of slots that are filled by a load', async () => {
    const spec = ObjectSpec.parse(readFileSync(sample('map_values')));
    const tails = spec.map('tails');
    tails.slots = [{ index: 0, kind: 'program', name: 'letters' }];
    spec.program('letters').type = ProgramType.XDP;
    await expect(Ebpf.load(spec)).rejects.toThrow(refused('program', 'program "letters" does not fit map "tails"'));
  });

  test.each([
    [-1, 'must be a whole number from 0'],
    [1.5, 'must be a whole number from 0'],
    [Number.NaN, 'must be a whole number from 0'],
    ['1', 'must be a whole number from 0'],
    [4, '4 is past the end of map "packets", whose length is 4'],
  ])('refuses the index %p', async (index, problem) => {
    const packets = ebpf.map('packets', ProgramArray);
    await expect(packets.set(index as number, ebpf.program('packet_to'))).rejects.toThrow(refused('index', problem));
    await expect(packets.delete(index as number)).rejects.toThrow(refused('index', problem));
  });

  test('refuses what is no loaded program', async () => {
    const packets = ebpf.map('packets', ProgramArray);
    for (const wrong of [undefined, null, 5, {}, { handle: 5 }, { handle: packets.handle }]) {
      await expect(packets.set(0, wrong as never)).rejects.toThrow(refused('program', 'must be a loaded program'));
    }
    ebpf.program('packet_to').close();
    const closed = packets.set(0, ebpf.program('packet_to'));
    await expect(closed).rejects.toMatchObject({ code: 'ERR_EBPF_CLOSED', message: 'program "packet_to" is closed' });
    packets.close();
    await expect(packets.delete(0)).rejects.toMatchObject({ code: 'ERR_EBPF_CLOSED' });
  });

  test('is made without an object, and shared by loads', async () => {
    using traces = await ProgramArray.create({ name: 'traces', maxEntries: 4 });
    expect(traces.info()).toMatchObject({ name: 'traces', keySize: 4, valueSize: 4, maxEntries: 4 });
    const other = await Ebpf.load(sample('tail_calls'), { maps: { traces } });
    try {
      await traces.set(0, ebpf.program('trace_to'));
      const result = await other.program('trace_from').testRun({ context: rawArguments(0) });
      expect(result.returnValue).toBe(taken);
      expect(ebpf.variable('reached').value).toBe(1n);
    } finally {
      await other.close();
    }
  });

  test('is asked for by its class', () => {
    expect(ebpf.map('packets')).toBeInstanceOf(ProgramArray);
    expect(() => ebpf.map('.bss', ProgramArray)).toThrow('it is a map of type ARRAY, not a ProgramArray');
  });
});
