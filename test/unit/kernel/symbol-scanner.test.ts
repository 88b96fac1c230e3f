import { PermissionError } from '../../../lib/errors/index.js';
import { SymbolScanner, addressesOf, findKernelSymbols } from '../../../lib/kernel/symbol-scanner.js';
import { testIf } from '../../helpers/skip.js';

const text = `ffffffff81000000 T _stext
ffffffff81000010 t do_one.llvm.1234567890
ffffffff81000020 t twice
ffffffff81000030 t twice
ffffffff82000000 D jiffies
0000000000000000 A __per_cpu_start
ffffffffc0000000 t in_module\t[nf_conntrack]
ffffffffc0000010 t last_line
`;

function scan(wanted: readonly string[], pieces: readonly string[]): SymbolScanner {
  const scanner = new SymbolScanner(new Set(wanted));
  for (const piece of pieces) scanner.push(piece);
  return scanner;
}

const all = ['_stext', 'do_one', 'twice', '__per_cpu_start', 'in_module', 'last_line', 'gone', 'stext', 'jiffie'];
const found = new Map([
  ['_stext', [{ address: 0xffffffff81000000n, module: undefined }]],
  ['do_one', [{ address: 0xffffffff81000010n, module: undefined }]],
  [
    'twice',
    [
      { address: 0xffffffff81000020n, module: undefined },
      { address: 0xffffffff81000030n, module: undefined },
    ],
  ],
  ['__per_cpu_start', [{ address: 0n, module: undefined }]],
  ['in_module', [{ address: 0xffffffffc0000000n, module: 'nf_conntrack' }]],
  ['last_line', [{ address: 0xffffffffc0000010n, module: undefined }]],
]);

test.each([1, 2, 7, 40, 100, 10_000])('symbols are found whatever the pieces: %i characters each', (size) => {
  const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
    text.slice(index * size, (index + 1) * size),
  );
  const scanner = scan(all, pieces);
  expect(scanner.found).toEqual(found);
  expect(scanner.addressesHidden).toBe(false);
});

test('a clone by its full name is that one', () => {
  expect([...scan(['do_one.llvm.1234567890'], [text]).found.keys()]).toEqual(['do_one.llvm.1234567890']);
});

test.each(['', '\n\n', ' ', 'x\n', '0000 T\n', 'nonsense without end'])('%j is no symbol', (nonsense) => {
  expect(scan(['T', 'x', 'n'], [nonsense]).found.size).toBe(0);
});

describe('addresses that are kept from this process', () => {
  const hidden = text.replace(/^[0-9a-f]+/gm, '0000000000000000');

  test('are an error, and never 0', () => {
    const wanted = new Set(['_stext', 'gone']);
    const refusal = (kptrRestrict: string | undefined) => () =>
      addressesOf(wanted, scan([...wanted], [hidden]), { kptrRestrict });
    expect(refusal('1\n')).toThrow(PermissionError);
    expect(refusal('1\n')).toThrow(
      'cannot read the address of kernel symbol "_stext": all addresses in /proc/kallsyms are zero, since kptr_restrict ' +
        'is 1 and CAP_SYSLOG is missing. Run as root, or give the process CAP_SYSLOG',
    );
    expect(refusal('2\n')).toThrow(
      'since kptr_restrict is 2. Nobody sees addresses then, root included: sysctl kernel.kptr_restrict=1',
    );
    expect(refusal(undefined)).toThrow('since kptr_restrict is unknown and CAP_SYSLOG is missing');
  });

  test('do not matter for symbols that are not there, or whose address is not wanted', () => {
    expect(addressesOf(new Set(['gone']), scan(['gone'], [hidden])).size).toBe(0);
    expect([...addressesOf(new Set(), scan(['_stext'], [hidden])).keys()]).toEqual(['_stext']);
  });
});

testIf(process.platform === 'linux', 'Linux')('the event loop runs while the kernel’s symbols are read', async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  try {
    const scanner = await findKernelSymbols(new Set(['_stext', 'no_such_symbol_anywhere']));
    expect([...scanner.found.keys()]).toEqual(['_stext']);
    expect(turns).toBeGreaterThan(1);
  } finally {
    clearInterval(timer);
  }
});
