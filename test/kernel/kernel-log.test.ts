import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Ebpf, kernelLog, ObjectSpec } from '../../lib/index.js';
import { runChild } from '../helpers/child.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { rawArguments, sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

/** tracefs is mounted for the test alone, where it is not. */
const mount = `{ grep -q ' /sys/kernel/tracing tracefs ' /proc/mounts || mount -t tracefs tracefs /sys/kernel/tracing; } && exec "$@"`;
const hasTracefs = readFileSync('/proc/filesystems', 'utf8').includes('\ttracefs');
const hasStreams = /(?:^| )bpf_stream_vprintk/mu.test(readFileSync('/proc/kallsyms', 'utf8'));
/** Of 5.16. */
const hasMany = kernelHasSymbol('bpf_trace_vprintk');

const ENOMEM = -12;

describe('kernelLog', () => {
  testIf(hasTracefs, 'tracefs')(
    'gives what programs write with bpf_printk(), to each reader, and leaves nothing',
    async () => {
      const wrapper = ['unshare', '-m', 'sh', '-c', mount, 'sh'];
      const { code, stdout, stderr } = await runChild(join(__dirname, 'children/kernel-log.ts'), [], { wrapper });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const line = (message: string): object => ({ message, own: true, cpu: true, recent: true });
      const [report = '', left] = stdout.split('\n');
      expect(JSON.parse(report)).toEqual({
        first: [line('number 7'), line('two\nlines')],
        second: ['number 7', 'two\nlines', 'number 8', 'two\nlines'].map(line),
        open: 2,
        woken: 'number 9',
        ofAll: ['number 10', 'two\nlines'],
        ...(hasMany ? { many: ['1 2 3 4 5'] } : {}),
        iterated: { reason: 'Error: enough', refused: 'ERR_EBPF_BUSY' },
        lost: 0,
      });
      expect(left).toBe('0');
    },
  );

  test('refuses what it cannot do', () => {
    expect(() => kernelLog({ buffer: 'mine' as never })).toThrow("buffer: must be 'own' or 'shared', not 'mine'");
    expect(() => kernelLog({ pollMs: 0 })).toThrow('pollMs: must be 1 to 60000 milliseconds, not 0');
    expect(() => kernelLog({ signal: AbortSignal.abort(new Error('before')) })).toThrow('before');
  });
});

describe('streams of a program', () => {
  let ebpf: Ebpf;

  beforeEach(async () => {
    const spec = ObjectSpec.parse(readFileSync(sample('streams')), { name: 'streams.bpf.o' });
    spec.program(hasStreams ? 'write_streams' : 'write_trace').autoload = true;
    ebpf = await Ebpf.load(spec);
  });

  afterEach(async () => {
    await ebpf.close();
  });

  testIf(hasStreams, 'streams of programs')('have what it wrote, until that is read', async () => {
    const program = ebpf.program('write_streams');
    const out = program.stream('stdout');
    expect(out.read()).toBe('');
    await program.testRun({ context: rawArguments(21) });
    await program.testRun({ context: rawArguments(22) });
    const { result } = ebpf.variables;
    // Some kernels do not get the memory that a write takes where they may not wait for it.
    if (result === ENOMEM) {
      expect(out.read()).toBe('');
      return;
    }
    expect(result).toBe(0);
    expect(out.read()).toBe('number 21\nnumber 22\n');
    expect(out.read()).toBe('');
    expect(program.stream('stderr').read()).toBe('twice 42\ntwice 44\n');

    const pieces: string[] = [];
    setTimeout(() => void program.testRun({ context: rawArguments(5) }), 20);
    for await (const piece of program.stream('stdout', { pollMs: 2 })) {
      pieces.push(piece);
      break;
    }
    expect(pieces).toEqual(['number 5\n']);
    const signal = AbortSignal.timeout(20);
    const aborted = (async () => {
      for await (const piece of program.stream('stdout', { signal, pollMs: 2 })) pieces.push(piece);
    })();
    expect(await aborted.catch((error: unknown) => error)).toBe(signal.reason);
    const ended = (async () => {
      for await (const piece of program.stream('stdout', { pollMs: 2 })) pieces.push(piece);
    })();
    await sleep(10);
    await ebpf.close();
    await ended;
    expect(() => out.read()).toThrow(expect.objectContaining({ code: 'ERR_EBPF_CLOSED' }));
  });

  testIf(!hasStreams, 'a kernel without streams of programs')('are refused by older kernels', () => {
    expect(() => ebpf.program('write_trace').stream('stdout').read()).toThrow(
      expect.objectContaining({ code: 'ERR_EBPF_UNSUPPORTED', message: 'streams of programs: they need Linux 6.17' }),
    );
  });

  test('have two names', () => {
    const program = ebpf.programs[0];
    expect(() => program?.stream('stdin' as never)).toThrow("stream: must be 'stdout' or 'stderr', not 'stdin'");
    expect(() => program?.stream('stdout', { pollMs: 0 })).toThrow('pollMs: must be 1 to 60000 milliseconds, not 0');
  });
});
