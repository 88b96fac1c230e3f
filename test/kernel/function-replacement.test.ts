// Programs at functions of other programs: they replace or trace what only test runs of this test call.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Program } from '../../lib/index.js';
import {
  Ebpf,
  Fentry,
  Fexit,
  Freplace,
  Fsession,
  ObjectSpec,
  TracingLink,
  Xdp,
  type ProgramOptions,
} from '../../lib/index.js';
import { hasFentry, hasFsession } from '../helpers/kernel-hooks.js';

import { PinFolder } from '../helpers/pin-folder.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const PASS = 2;
const DROP = 1;
const TX = 3;
const packet = new Uint8Array(64);

const spec = ObjectSpec.parse(new Uint8Array(readFileSync(sample('replacements'))), { name: 'replacements.bpf.o' });

let targets: Ebpf;
let target: Program;
const loaded: Ebpf[] = [];

beforeEach(async () => {
  targets = await Ebpf.load(sample('replaceable'));
  target = targets.program('dispatch', Xdp);
});

afterEach(async () => {
  for (const each of loaded.splice(0)) await each.close();
  await targets.close();
});

async function load(name: string, options: ProgramOptions | undefined): Promise<Ebpf> {
  const wanted = spec.clone();
  wanted.program(name).autoload = true;
  const ebpf = await Ebpf.load(wanted, options === undefined ? {} : { programs: { [name]: options } });
  loaded.push(ebpf);
  return ebpf;
}

const verdict = async (program: Program): Promise<number> => (await program.testRun({ data: packet })).returnValue;

describe('programs at functions of other programs', () => {
  testIf(hasFentry, 'fentry')('replace a function until they are detached', async () => {
    expect(await verdict(target)).toBe(PASS);
    const ebpf = await load('replacement', { target });
    const { links } = await ebpf.attach();
    expect(links.map((link) => link.target)).toEqual(['freplace slot']);
    expect(await verdict(target)).toBe(DROP);
    await links[0]?.close();
    expect(await verdict(target)).toBe(PASS);
  });

  testIf(hasFentry, 'fentry')('replace that of a second program, and of the first again', async () => {
    const ebpf = await load('nameless', { target, function: 'slot' });
    const program = ebpf.program('nameless', Freplace);
    const first = await program.attach();
    const other = targets.program('dispatch_too', Xdp);
    const second = await program.attach({ target: other });
    expect([await verdict(target), await verdict(other)]).toEqual([TX, TX]);
    await first.close();
    expect([await verdict(target), await verdict(other)]).toEqual([PASS, TX]);
    await expect(program.attach()).rejects.toMatchObject({ path: 'target' });
    const again = await program.attach({ target, function: 'slot' });
    expect(await verdict(target)).toBe(TX);
    await expect(program.attach({ target })).rejects.toMatchObject({ code: 'ERR_EBPF_BUSY' });
    await Promise.all([again.close(), second.close()]);
    await expect(program.attach({ target, function: 'slott' })).rejects.toMatchObject({ suggestions: ['slot'] });
  });

  testIf(hasFentry, 'fentry')('outlive their object when pinned', async () => {
    const pins = await PinFolder.create();
    try {
      const ebpf = await load('replacement', { target });
      const link = await ebpf.program('replacement', Freplace).attach();
      link.pin(`${pins.path}/replacement`);
      await ebpf.close();
      expect(await verdict(target)).toBe(DROP);
      const again = TracingLink.open(`${pins.path}/replacement`);
      await again.detach();
      // The kernel lets go of a pin some time after its file is gone.
      for (let time = 0; time < 200 && (await verdict(target)) !== PASS; time++) await sleep(10);
      expect(await verdict(target)).toBe(PASS);
    } finally {
      await pins.close();
    }
  });

  testIf(hasFentry, 'fentry')('see a function entered and left', async () => {
    const entering = await load('on_enter', { target });
    const leaving = await load('on_leave', { target });
    const links = [
      await entering.program('on_enter', Fentry).attach(),
      await leaving.program('on_leave', Fexit).attach(),
    ];
    expect(links.map((link) => link.target)).toEqual(['fentry slot', 'fexit slot']);
    await verdict(target);
    expect(entering.variables['entered']).toBe(1n);
    expect([leaving.variables['left'], leaving.variables['result']]).toEqual([1n, PASS]);
    for (const link of links) await link.close();
    await verdict(target);
    expect(entering.variables['entered']).toBe(1n);
  });

  testIf(hasFsession, 'fsession')('see both in one program', async () => {
    const ebpf = await load('around', { target });
    const link = await ebpf.program('around', Fsession).attach();
    await verdict(target);
    expect(ebpf.variables['in_session']).toBe(2n);
    await link.close();
  });

  test('are not loaded without the other program, or one that has no such function', async () => {
    await expect(load('replacement', undefined)).rejects.toMatchObject({ path: 'programs.replacement.target' });
    await expect(load('nameless', { target })).rejects.toMatchObject({ path: 'programs.nameless.attachTo' });
    await expect(load('replacement', { target, function: 'slots' })).rejects.toMatchObject({ suggestions: ['slot'] });
    await expect(load('replacement', { function: 'slot' })).rejects.toMatchObject({
      path: 'programs.replacement.target',
    });
    await expect(load('replacement', { target, function: '' })).rejects.toMatchObject({
      path: 'programs.replacement.function',
    });
    await expect(Ebpf.load(sample('replaceable'), { programs: { dispatch: { target } } })).rejects.toMatchObject({
      path: 'programs.dispatch',
    });
    await expect(Ebpf.load(sample('replaceable'), { programs: { dispach: { target } } })).rejects.toMatchObject({
      suggestions: expect.arrayContaining(['dispatch']) as unknown,
    });
  });

  testIf(hasFentry, 'fentry')('are refused by the verifier when their arguments differ', async () => {
    await expect(load('misfit', { target })).rejects.toMatchObject({ code: 'ERR_EBPF_VERIFIER' });
  });
});
