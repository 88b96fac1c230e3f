import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { ObjectFormatError } from '../../../lib/errors/index.js';
import { formatLog, LogRecordType, logSites } from '../../../lib/events/index.js';
import { parseLogFormat } from '../../../lib/events/logs/log-format.js';
import { ObjectSpec, type VariableSpec } from '../../../lib/object/index.js';

const samples = join(__dirname, '../../../bpf-samples');
const load = (file = 'logs.bpf.o'): ObjectSpec =>
  ObjectSpec.parse(readFileSync(join(samples, file)), { name: 'logs.bpf.o' });

/** The message of a format. */
function messageOf(spec: ObjectSpec, format: string): VariableSpec {
  for (const variable of spec.variables.values()) {
    if (variable.section !== '.rodata.node_ebpf_log') continue;
    if ((variable.value as { format: string }).format === format) return variable;
  }
  throw new Error(`the object has no message ${format}`);
}

describe('formats', () => {
  test.each([
    ['', [''], []],
    ['plain', ['plain'], []],
    ['{}', ['', ''], ['']],
    ['a {} b {:x}{:ip}c', ['a ', ' b ', '', 'c'], ['', 'x', 'ip']],
    ['{:X}{:mac}{:sym}', ['', '', '', ''], ['X', 'mac', 'sym']],
    ['{{}} {{{}}}', ['{} {', '}'], ['']],
  ])('%j', (format, texts, hints) => {
    expect(parseLogFormat(format)).toEqual({ texts, hints });
  });

  test.each([
    ['{', 'a single { at character 1: write {{'],
    ['ab }', 'a single } at character 4: write }}'],
    ['{ {}', 'a single { at character 1: write {{'],
    ['{x}', '"{x}" is none of {}, {:x}, {:X}, {:ip}, {:mac}, {:sym}'],
    ['{xip}', '"{xip}" is none of {}, {:x}, {:X}, {:ip}, {:mac}, {:sym}'],
    ['{:}', '"{:}" is none of {}, {:x}, {:X}, {:ip}, {:mac}, {:sym}'],
    ['{:08x}', '"{:08x}" is none of {}, {:x}, {:X}, {:ip}, {:mac}, {:sym}'],
    ['{\u001b}', String.raw`"{\x1b}" is none of {}, {:x}, {:X}, {:ip}, {:mac}, {:sym}`],
  ])('%j is refused', (format, problem) => {
    expect(parseLogFormat(format)).toBe(problem);
  });
});

describe('messages that are malformed name their place', () => {
  test.each([
    ['{} {} {} {}', 'it takes 4 arguments, and 1 are given'],
    ['nothing', 'it takes 0 arguments, and 1 are given'],
    ['{:mac}', 'argument 1: {:mac} takes 6 bytes, and __u32 has 4'],
    ['{:sym}', 'argument 1: {:sym} takes an address, and that is of type __u32'],
    ['{', 'a single { at character 1: write {{'],
  ])('%s', (format, problem) => {
    const spec = load();
    const message = messageOf(spec, 'number {}');
    // The room that the format has.
    message.value = { ...(message.value as object), format: format.slice(0, 9) };
    expect(() => logSites(spec)).toThrow(ObjectFormatError);
    expect(() => logSites(spec)).toThrow(
      expect.objectContaining({ section: '.rodata.node_ebpf_log', offset: message.offset }),
    );
    const line = (message.value as { line: number }).line;
    if (format.length <= 9) {
      expect(() => logSites(spec)).toThrow(`the format "${format}" of "logs.bpf.c:${line}": ${problem}`);
    }
  });

  test('a level that is none', () => {
    const spec = load();
    const message = messageOf(spec, 'number {}');
    message.value = { ...(message.value as object), level: 9 };
    expect(() => logSites(spec)).toThrow('there is no level 9');
  });

  test('sixteen bytes are no address of a link', () => {
    const spec = load();
    const message = messageOf(spec, '{:ip} {:ip} {:ip} {:mac}');
    message.value = { ...(message.value as object), format: '{:ip} {:ip} {:ip} {:ip} ' };
    expect(() => logSites(spec)).toThrow('argument 4: {:ip} takes 4 or 16 bytes, and __u8 [6] has 6');
  });
});

describe.each(['logs.bpf.o', 'logs.bpfeb.o'])('records of %s', (file) => {
  const spec = load(file);
  const sites = logSites(spec);
  const { littleEndian } = spec;
  const offsetOf = (format: string): number => messageOf(spec, format).offset;
  const logs = ['number {}', 'debug', '{:sym} {} {:x}'].map((format) => ({
    program: 'prog\u001b',
    offset: offsetOf(format),
  }));
  const symbols = (address: bigint): string | undefined =>
    address === 0xffff_ffff_8100_0010n ? 'start+0x10' : undefined;
  const type = (mostLevel = 5): LogRecordType => new LogRecordType(logs, sites, { littleEndian, symbols, mostLevel });

  function record(number: number, size: number, write: (view: DataView) => void = () => undefined): Uint8Array {
    const bytes = new Uint8Array(8 + size);
    const view = new DataView(bytes.buffer, 8);
    if (size >= 12) {
      view.setBigUint64(0, 12_345_678_901n, littleEndian);
      view.setUint16(8, number, littleEndian);
      view.setUint16(10, 3, littleEndian);
    }
    write(view);
    return bytes;
  }

  const decode = (bytes: Uint8Array): ReturnType<LogRecordType['decode']> =>
    type().decode({ bytes, view: new DataView(bytes.buffer) }, 8, bytes.length - 8);

  test('are decoded', () => {
    const decoded = decode(record(1, 16, (view) => view.setUint32(12, 42, littleEndian)));
    expect(decoded).toMatchObject({ level: 'info', message: 'number 42', args: [42], format: 'number {}', cpu: 3 });
    expect(decoded).toMatchObject({ timestamp: 12_345_678_901n, program: 'prog\u001b', file: 'logs.bpf.c' });
    expect(formatLog(decoded)).toMatch(/ INFO {2}prog\\x1b logs\.bpf\.c:\d+ number 42$/);
  });

  test('name kernel symbols where one is known', () => {
    const pointers = (address: bigint): Uint8Array =>
      record(3, 40, (view) => {
        for (const place of [16, 24, 32]) view.setBigUint64(place, address, littleEndian);
      });
    expect(decode(pointers(0xffff_ffff_8100_0010n)).message).toBe('start+0x10 0xffffffff81000010 ffffffff81000010');
    expect(decode(pointers(16n)).message).toBe('0x10 0x10 10');
  });

  test.each([
    ['too short for a log', record(1, 8), 'has 8 bytes, less than the 12 of a log'],
    ['without a number', record(0, 16), 'has the number 0, and the object has logs 1 to 3'],
    ['of a number that is none', record(4, 16), 'has the number 4, and the object has logs 1 to 3'],
    ['too short', record(1, 12), /has 12 bytes, and those of "logs\.bpf\.c:\d+" have 16/],
    ['too long', record(1, 24), /has 24 bytes, and those of "logs\.bpf\.c:\d+" have 16/],
  ])('%s are refused', (_, bytes, problem) => {
    expect(() => decode(bytes)).toThrow(expect.objectContaining({ code: 'ERR_EBPF_INVALID_VALUE' }));
    expect(() => decode(bytes)).toThrow(problem);
  });

  test('of a level that nobody wants are passed over, and what is malformed is not', () => {
    const wants = (bytes: Uint8Array, most: number): boolean =>
      type(most).wants({ view: new DataView(bytes.buffer) }, 8, bytes.length - 8);
    expect([1, 2, 3].map((number) => wants(record(number, 16), 3))).toEqual([true, false, true]);
    expect(wants(record(9, 16), 0)).toBe(true);
    expect(wants(record(1, 4 + 8), 2)).toBe(false);
    expect([type(3).selective, type(4).selective, type(5).selective]).toEqual([true, false, false]);
  });
});

test('a program that logs what the section does not have is refused', () => {
  const options = { littleEndian: true, symbols: () => undefined, mostLevel: 5 };
  expect(() => new LogRecordType([{ program: 'main', offset: 3 }], logSites(load()), options)).toThrow(
    'program "main" logs a message 3 bytes into a section where there is none',
  );
});
