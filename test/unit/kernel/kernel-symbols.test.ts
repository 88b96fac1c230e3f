import fc from 'fast-check';

import { Kallsyms } from '../../../lib/kernel/kallsyms.js';

const text = `0000000000000000 A per_cpu_start
ffffffff81000000 T _stext
ffffffff81000000 T startup_64
ffffffff81000040 t twice
ffffffff81002000 t twice
ffffffff82000000 D _end
ffffffffc0100000 t late\t[second]
ffffffffc0000080 t behind\t[first_module]
ffffffffc0000000 t before\t[first_module]
ffffffffc0000500 t bpf_prog_0123456789abcdef_enter\t[bpf]
`;

async function table(content: string): Promise<Kallsyms> {
  const symbols = new Kallsyms();
  symbols.push(Buffer.from(content, 'latin1'));
  await symbols.sort();
  return symbols;
}

const described = (symbols: Kallsyms, index: number | undefined): string =>
  index === undefined ? '' : `${symbols.moduleOf(index) ?? ''}:${symbols.nameOf(index)}`;

describe('symbols in the form of /proc/kallsyms', () => {
  test.each([
    ['the first of two names', 0xffff_ffff_8100_0000n, ':_stext'],
    ['within', 0xffff_ffff_8100_003fn, ':_stext'],
    ['far behind, of the kernel proper', 0xffff_ffff_8100_1fffn, ':twice'],
    ['to the end of the last page', 0xffff_ffff_8200_0fffn, ':_end'],
    ['behind the kernel', 0xffff_ffff_8200_1000n, ''],
    ['in a module', 0xffff_ffff_c000_0004n, 'first_module:before'],
    ['in a module, where another one follows', 0xffff_ffff_c000_0100n, 'first_module:behind'],
    ['in a program', 0xffff_ffff_c000_0fffn, 'bpf:bpf_prog_0123456789abcdef_enter'],
    ['behind the program', 0xffff_ffff_c000_1000n, ''],
    ['in the last module', 0xffff_ffff_c010_0000n, 'second:late'],
    ['before everything', 0xffff_0000_0000_0000n, ''],
    ['of user space', 0x7fff_1234_5678n, ''],
    ['low', 8n, ''],
    ['that is none', 1n << 70n, ''],
    ['below zero', -1n, ''],
  ])('have an address %s', async (_, address, expected) => {
    const symbols = await table(text);
    expect(described(symbols, symbols.before(address))).toBe(expected);
  });

  test('are found by name, numbers of per-CPU variables included', async () => {
    const symbols = await table(text);
    const places = (name: string): string[] => symbols.find(name).map((index) => symbols.addressOf(index).toString(16));
    expect(places('twice')).toEqual(['ffffffff81000040', 'ffffffff81002000']);
    expect(places('per_cpu_start')).toEqual(['0']);
    expect(places('late')).toEqual(['ffffffffc0100000']);
    for (const none of ['', 'twic', 'wice', 'twice\n', 'x']) expect(places(none)).toEqual([]);
    expect(symbols.length).toBe(10);
  });

  test('may be cut anywhere, and what is no line is left out', async () => {
    const hostile = [
      ...['', ' ', '\t', 'ffffffff81000000', 'ffffffff81000000 ', 'ffffffff81000000 T', 'ffffffff81000000 T '],
      ...[
        'xyz T name',
        'FFFFFFFF81000000 T upper',
        'fffffffff81000000 T seventeen',
        ' T nothing',
        '12345678\u0000T\u0000zeros',
      ],
    ];
    const symbols = await table(`${hostile.join('\n')}\n\n\n1234 T good\t[`);
    expect(symbols.find('good')).toHaveLength(1);
    expect(symbols.length).toBe(1);
  });

  test('are what a simple search finds, whatever their order', async () => {
    const symbol = fc.record({
      address: fc.bigInt({ min: 0xffff_ffff_8000_0000n, max: 0xffff_ffff_8000_4000n }),
      name: fc.stringMatching(/^[a-z_.$0-9]{1,12}$/u),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(symbol, { minLength: 1, maxLength: 60 }), async (all) => {
        const lines = all.map(({ address, name }) => `${address.toString(16)} t ${name}\n`).join('');
        const symbols = await table(lines);
        const last = all.reduce((most, { address }) => (address > most ? address : most), 0n);
        for (let address = 0xffff_ffff_8000_0000n; address < last; address += 97n) {
          let best: (typeof all)[number] | undefined;
          for (const one of all) {
            if (one.address <= address && (best === undefined || one.address > best.address)) best = one;
          }
          const index = symbols.before(address);
          expect(index === undefined ? undefined : symbols.nameOf(index)).toBe(best?.name);
          if (index !== undefined) expect(symbols.addressOf(index)).toBe(best?.address);
        }
      }),
      { numRuns: 50 },
    );
  });

  test('are known to be hidden when all addresses are zero', async () => {
    const zeros = text.replaceAll(/^\w+/gm, '0000000000000000');
    const [hidden, shown, none] = [await table(zeros), await table(text), await table('')];
    expect([hidden.addressesHidden, shown.addressesHidden, none.addressesHidden]).toEqual([true, false, false]);
  });

  test('arbitrary bytes do no harm', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        const symbols = new Kallsyms();
        symbols.push(bytes);
        await symbols.sort();
        symbols.before(0xffff_ffff_8100_0000n);
        for (let index = 0; index < symbols.length; index++) expect(symbols.nameOf(index).length).toBeGreaterThan(0);
      }),
    );
  });
});
