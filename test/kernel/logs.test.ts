import { readFileSync } from 'node:fs';

import {
  Ebpf,
  formatLog,
  KernelSymbols,
  ObjectSpec,
  RawTracepoint,
  type LogOptions,
  type LogRecord,
} from '../../lib/index.js';
import { rawArguments, sample } from '../helpers/samples.js';

let ebpf: Ebpf;

afterEach(async () => {
  await ebpf.close();
});

/** The sample with these programs alone: an emulated machine verifies each for a tenth of a second. */
function logsWith(...programs: string[]): ObjectSpec {
  const spec = ObjectSpec.parse(readFileSync(sample('logs')), { name: 'logs.bpf.o' });
  for (const program of spec.programs.values()) program.autoload = programs.includes(program.name);
  return spec;
}

/** What a program logs in one run. */
async function logsOf(
  program: string,
  values: readonly (number | bigint)[] = [],
  options?: LogOptions,
): Promise<LogRecord[]> {
  const reader = ebpf.logs(options);
  await ebpf.program(program, RawTracepoint).testRun({ context: rawArguments(...[...values, 0, 0].slice(0, 2)) });
  await reader.close();
  const records: LogRecord[] = [];
  for await (const record of reader) records.push(record);
  return records;
}

const messages = (records: readonly LogRecord[]): string[] => records.map(({ message }) => message);

describe('arguments', () => {
  beforeEach(async () => {
    ebpf = await Ebpf.load(logsWith('integers', 'memory', 'eight'));
  });

  test('integers of every width, signed and not, in decimal and hexadecimal; booleans; enums', async () => {
    const records = await logsOf('integers', [0xfedc_ba98_7654_3281n]);
    expect(messages(records)).toEqual([
      '129 12929 1985229441 18364758544493064833',
      '-127 12929 1985229441 -81985529216486783',
      '81 3281 76543281 fedcba9876543281',
      '3 4 true',
      '1985229441 5 76543281',
    ]);
    expect(records.map(({ args }) => args)).toEqual([
      [129, 12929, 1985229441, 0xfedc_ba98_7654_3281n],
      [-127, 12929, 1985229441, -81985529216486783n],
      [-127, 12929, 1985229441, 0xfedc_ba98_7654_3281n],
      [3, 4n, true],
      [1985229441, 5, 1985229441],
    ]);
  });

  test('enums by name, and what is negative in hexadecimal as C has it', async () => {
    expect(messages(await logsOf('integers', [5])).at(-1)).toBe('GREEN 5 5');
    const records = await logsOf('integers', [-1n & 0xffff_ffff_ffff_ffffn]);
    expect(messages(records).slice(1)).toEqual([
      '-1 -1 -1 -1',
      'ff FFFF ffffffff ffffffffffffffff',
      '3 4 true',
      'BLUE 5 ffffffff',
    ]);
    expect(records.at(-1)?.args).toEqual(['BLUE', 5, 'BLUE']);
    expect(messages(await logsOf('integers', [0])).slice(2, 4)).toEqual(['0 0 0 0', '3 4 false']);
  });

  test('addresses of the kernel by name, to who has its symbols', async () => {
    const symbols = await KernelSymbols.read();
    const start = symbols.address('schedule');
    if (start === undefined) throw new Error('every kernel has schedule()');
    const named = messages(await logsOf('memory', [start + 4n], { symbols }));
    expect(named.some((message) => message.startsWith('schedule+0x4 '))).toBe(true);
    const bare = messages(await logsOf('memory', [start + 4n]));
    expect(bare.some((message) => message.startsWith(`0x${(start + 4n).toString(16)} `))).toBe(true);
  });

  test('text of a process, and as many arguments as there may be', async () => {
    // Where the process's arguments lie (proc_pid_stat(5)): reading them makes sure that they are in memory.
    const afterName = readFileSync('/proc/self/stat', 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    const [text = ''] = readFileSync('/proc/self/cmdline', 'utf8').split('\0');
    const records = await logsOf('eight', [0xffff_ffff_ffff_fd4bn, BigInt(afterName[45] ?? 0)]);
    expect(records.map(({ args }) => args)).toEqual([
      [
        ...[text.slice(0, 63), 0x4b, -693, -693n, 0xffff_fd4b, 0xffff_ffff_ffff_fd4bn],
        ...[0x4b, 0xffff_ffff_ffff_fd4bn],
      ],
    ]);
    expect(messages(records)).toEqual([
      `${text.slice(0, 63)} 4b fd4b fffffffffffffd4b FFFFFD4B FFFFFFFFFFFFFD4B 75 FFFFFFFFFFFFFD4B`,
    ]);
  });

  test('text, addresses, structs, bytes', async () => {
    const address = 0xffff_ffff_8123_4567n;
    const records = await logsOf('memory', [address]);
    const comm = readFileSync('/proc/thread-self/comm', 'utf8').trim();
    expect(messages(records)).toEqual([
      expect.stringMatching(/^\S+ literal as long as a path or longer$/),
      'text of the kernel  ',
      '192.168.1.2 10.0.0.1 2001:db8::1 02:00:00:aa:bb:0c',
      '{ port: 80, address: 0a000001, name: here } [1, 2, 3] deadbeef DEADBEEF',
      expect.stringMatching(/^\S+ 0xffffffff81234567 ffffffff81234567$/),
      String.raw`{} a\x1b[31mb\x0d\x0ac }{`,
    ]);
    expect(comm).not.toBe('');
    const [texts, behindPointers, addresses, values, pointers, hostile] = records.map(({ args }) => args);
    expect(texts?.slice(1)).toEqual(['literal', 'as long as a path or longer']);
    expect(behindPointers).toEqual(['text of the kernel', '', '']);
    expect(addresses).toEqual(['192.168.1.2', '10.0.0.1', '2001:db8::1', '02:00:00:aa:bb:0c']);
    expect(values).toEqual([
      { port: 80, address: Uint8Array.of(10, 0, 0, 1), name: 'here' },
      [1, 2, 3],
      Uint8Array.of(0xde, 0xad, 0xbe, 0xef),
      Uint8Array.of(0xde, 0xad, 0xbe, 0xef),
    ]);
    expect(pointers).toEqual([address, address, address]);
    // As the program wrote it: only messages are for terminals.
    expect(hostile).toEqual(['a\u001b[31mb\r\nc']);
  });
});

describe('records', () => {
  test('say when, where and of which program', async () => {
    ebpf = await Ebpf.load(logsWith('first', 'second'));
    const before = process.hrtime.bigint();
    const [record] = await logsOf('first', [7]);
    const source = readFileSync(sample('logs').replace('.o', '.c'), 'utf8').split('\n');
    expect(record).toEqual({
      level: 'warn',
      message: 'shared 7',
      args: [7n],
      format: 'shared {}',
      file: 'logs.bpf.c',
      line: source.findIndex((line) => line.includes('log_warn("shared {}"')) + 1,
      timestamp: expect.any(BigInt),
      cpu: expect.any(Number),
      program: 'first',
    });
    // The clock also counts the time asleep, which hrtime does not.
    expect(Number((record?.timestamp ?? 0n) - before)).toBeGreaterThan(0);
    expect(record === undefined ? '' : formatLog(record)).toMatch(
      /^\d{4}-\d\d-\d\dT[\d:.]+Z WARN {2}first logs\.bpf\.c:\d+ shared 7$/,
    );
    // The same line of the source in another program.
    expect((await logsOf('second', [8])).map(({ program, message }) => [program, message])).toEqual([
      ['second', 'shared 8'],
    ]);
  });

  test('that find no room are counted', async () => {
    ebpf = await Ebpf.load(logsWith('count'), { maps: { node_ebpf_logs: { maxEntries: 4096 } } });
    const reader = ebpf.logs();
    // A record takes 24 bytes.
    const program = ebpf.program('count', RawTracepoint);
    for (let run = 0; run < 250; run++) await program.testRun({ context: rawArguments(run) });
    await reader.close();
    let received = 0;
    for await (const { args } of reader) expect(args).toEqual([received++]);
    const { dropped } = reader.stats;
    expect(received).toBeGreaterThan(0);
    expect(dropped).toBeGreaterThan(0n);
    expect(BigInt(received) + (dropped ?? 0n)).toBe(250n);
    expect(reader.stats.bytes).toBe(received * 16);
  });
});

describe('levels', () => {
  const all = ['error', 'warn', 'info', 'debug', 'trace'] as const;

  test('up to info, unless the load says otherwise', async () => {
    ebpf = await Ebpf.load(logsWith('levels'));
    expect(messages(await logsOf('levels'))).toEqual(['error', 'warn', 'info']);
  });

  test.each(all.map((level, index) => [level, all.slice(0, index + 1)] as const))('%s', async (logLevel, expected) => {
    ebpf = await Ebpf.load(logsWith('levels'), { logLevel });
    const records = await logsOf('levels');
    expect(records.map(({ level }) => level)).toEqual(expected);
    expect(messages(records)).toEqual(expected);
  });

  test('cost a program nothing where they are off: no instruction is left of the logs', async () => {
    ebpf = await Ebpf.load(logsWith('with_logs', 'without_logs'));
    const lengthOf = (program: string): number => ebpf.program(program).info().translatedLength;
    // They log at debug, and at no level.
    expect(lengthOf('with_logs')).toBe(lengthOf('without_logs'));
    await ebpf.close();
    ebpf = await Ebpf.load(logsWith('with_logs', 'without_logs'), { logLevel: 'debug' });
    expect(lengthOf('with_logs')).toBeGreaterThan(lengthOf('without_logs'));
    await ebpf.close();
    ebpf = await Ebpf.load(logsWith('levels'), { logLevel: 'off' });
    // `r0 = 0; exit`
    expect(lengthOf('levels')).toBe(16);
    expect(await logsOf('levels')).toEqual([]);
  });

  test('the reader passes over more of them', async () => {
    ebpf = await Ebpf.load(logsWith('levels', 'count'), { logLevel: 'trace' });
    expect(messages(await logsOf('levels', [], { level: 'warn' }))).toEqual(['error', 'warn']);
    expect(messages(await logsOf('levels', [], { level: 'trace' }))).toEqual([...all]);
    expect(messages(await logsOf('count', [], { level: 'warn' }))).toEqual([]);
  });
});

describe('what cannot be is refused', () => {
  test('levels', async () => {
    ebpf = await Ebpf.load(sample('logs'));
    expect(() => ebpf.logs({ level: 'debug' })).toThrow(
      expect.objectContaining({
        code: 'ERR_EBPF_INVALID_VALUE',
        message: expect.stringContaining(
          'logs up to "info", what is above was taken out as it was loaded; load it with',
        ),
      }),
    );
    expect(() => ebpf.logs({ level: 'verbose' as never })).toThrow(/must be one of "error", "warn", .*, not 'verbose'/);
    await expect(Ebpf.load(sample('logs'), { logLevel: 3 as never })).rejects.toThrow(
      'logLevel: must be one of "off", "error", "warn", "info", "debug", "trace", not 3',
    );
    await expect(Ebpf.load(sample('maps'), { logLevel: 'info' })).rejects.toThrow(
      'logLevel: "maps.bpf.o" has no logs: no source of it includes node_ebpf_log.h',
    );
  });

  test('a second reader, an object without logs, one that is closed', async () => {
    ebpf = await Ebpf.load(sample('maps'));
    expect(() => ebpf.logs()).toThrow(expect.objectContaining({ code: 'ERR_EBPF_NOT_FOUND' }));
    await ebpf.close();
    ebpf = await Ebpf.load(sample('logs'));
    ebpf.logs();
    expect(() => ebpf.logs()).toThrow(expect.objectContaining({ code: 'ERR_EBPF_BUSY' }));
    await ebpf.close();
    expect(() => ebpf.logs()).toThrow(expect.objectContaining({ code: 'ERR_EBPF_CLOSED' }));
  });

  test('a format that does not fit its arguments', async () => {
    const spec = ObjectSpec.parse(readFileSync(sample('logs')), { name: 'logs.bpf.o' });
    const message = [...spec.variables.values()].find(
      ({ section, value }) =>
        section === '.rodata.node_ebpf_log' && (value as { format: string }).format === 'number {}',
    );
    if (message === undefined) throw new Error('there is no such message');
    message.value = { ...(message.value as object), format: 'number' };
    ebpf = await Ebpf.load(spec);
    expect(() => ebpf.logs()).toThrow(
      expect.objectContaining({
        code: 'ERR_EBPF_OBJECT_FORMAT',
        message: expect.stringMatching(/"number" of "logs\.bpf\.c:\d+": it takes 0 arguments, and 1 are given$/),
      }),
    );
  });
});
