import fc from 'fast-check';

import { PerfMap } from '../../../lib/user-space/perf-map.js';

async function map(text: string | Uint8Array): Promise<PerfMap> {
  const found = new PerfMap();
  found.push(typeof text === 'string' ? Buffer.from(text) : text);
  await found.sort();
  return found;
}

describe('perf maps', () => {
  test('name addresses, with names of any characters', async () => {
    const functions = await map(
      '7f0000001000 20 LazyCompile:*run /app/main.js:1:2\n0x7F0000001040 0x10 größer\n1 1 a\n',
    );
    expect(functions.at(0x7f00_0000_1000)).toEqual({
      name: 'LazyCompile:*run /app/main.js:1:2',
      start: 0x7f00_0000_1000,
    });
    expect(functions.at(0x7f00_0000_101f)?.start).toBe(0x7f00_0000_1000);
    expect(functions.at(0x7f00_0000_1020)).toBeUndefined();
    expect(functions.at(0x7f00_0000_104f)?.name).toBe('größer');
    expect([functions.at(0), functions.at(1)?.name, functions.at(2)]).toEqual([undefined, 'a', undefined]);
  });

  test('say what was there last', async () => {
    const functions = await map('100 100 old\n120 10 older\n100 40 new\n110 8 inner\n');
    expect([0x100, 0x10f, 0x110, 0x118, 0x125, 0x145].map((at) => functions.at(at)?.name)).toEqual([
      ...['new', 'new', 'inner', 'new', 'new'],
      // Where the new one ends nobody says what became of the old one.
      undefined,
    ]);
    functions.push(Buffer.from('90 1000 newest\n'));
    await functions.sort();
    expect(functions.at(0x110)?.name).toBe('newest');
    expect(functions.length).toBe(5);
  });

  test('leave out what is no line of theirs', async () => {
    const wrong = ['', ' ', '10', '10 20', '10 20 ', 'x 1 a', '10 x a', '0x 1 a', '10  1 a', '-1 1 a', '10 0 nothing'];
    const functions = await map(`${wrong.join('\n')}\nfffffffffffffffff 1 far\n10 fffffffffffffffff far\n20 1 good`);
    expect(functions.length).toBe(1);
    expect(functions.at(0x20)?.name).toBe('good');
  });

  test('of hostile content are neither slow nor large', async () => {
    const same = await map('1000 1 f\n'.repeat(200_000));
    const started = performance.now();
    for (let count = 0; count < 100; count++) expect(same.at(0x2000)).toBeUndefined();
    expect(performance.now() - started).toBeLessThan(2000);
    const long = await map(`10 1 ${'n'.repeat(1_000_000)}\n`);
    expect(long.at(0x10)?.name.length).toBe(4096);
  });

  test('arbitrary bytes do no harm', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.nat(), async (bytes, address) => {
        const functions = await map(bytes);
        functions.at(address);
      }),
    );
  });
});
