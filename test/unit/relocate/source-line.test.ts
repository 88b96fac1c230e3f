import { exitProgram } from '../../../lib/asm/index.js';
import { Btf, BtfBuilder } from '../../../lib/btf/index.js';
import { lineAt } from '../../../lib/relocate/source-line.js';
import { functionSpec } from './fixtures.js';

const builder = new BtfBuilder({ littleEndian: true });
const [folder, plain, text, hostile] = ['/home/me/src/exec.bpf.c', 'exit.bpf.c', '  return 0;', 'x\u001b[31m'].map(
  (each) => builder.string(each),
);
const btf = Btf.parse(builder.encode(), { name: 'test.bpf.o' });

/** Lines 41, 50 and 60, from the instructions at 8, 16 and 32 on. */
const spec = functionSpec('main', exitProgram(), {
  lines: {
    offsets: Uint32Array.of(8, 16, 32),
    fileNames: Uint32Array.of(folder ?? 0, plain ?? 0, plain ?? 0),
    texts: Uint32Array.of(text ?? 0, 0, hostile ?? 0),
    // struct bpf_line_info: the line above ten bits of the column.
    lineColumns: Uint32Array.of((41 << 10) | 3, (50 << 10) | 1023, 60 << 10),
  },
});

test.each([
  [0, undefined],
  [8, 'exec.bpf.c:41: return 0;'],
  [15, 'exec.bpf.c:41: return 0;'],
  [16, 'exit.bpf.c:50'],
  [24, 'exit.bpf.c:50'],
  [32, 'exit.bpf.c:60: x\\x1b[31m'],
  [800, 'exit.bpf.c:60: x\\x1b[31m'],
])('the line of the instruction at %d', (offset, line) => {
  expect(lineAt(btf, spec, offset)).toBe(line);
});

test('an object without types, or a function without lines, says nothing', () => {
  expect(lineAt(undefined, spec, 8)).toBeUndefined();
  expect(lineAt(btf, functionSpec('main', exitProgram()), 8)).toBeUndefined();
});
