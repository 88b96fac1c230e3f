// The tables of indirect jumps, as maps that tell where each instruction went.
import { BpfMap, Ebpf, InsnArray } from '../../lib/index.js';
import { hasJumps } from '../helpers/kernel-hooks.js';
import { rawArguments, sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

testIf(hasJumps, 'indirect jumps')('tell where the ways of a switch are', async () => {
  await using ebpf = await Ebpf.load(sample('other-compilers/jump_tables'));
  const program = ebpf.program('first');
  // A load keeps no handle of them: they live with the program.
  const { mapIds, jitedLength, translatedLength } = program.info();
  const arrays = mapIds
    .map((id) => BpfMap.open({ id }))
    .filter((map) => {
      if (map instanceof InsnArray) return true;
      map.close();
      return false;
    });
  expect(arrays.length).toBeGreaterThan(0);
  for (const map of arrays) {
    using places = InsnArray.from(map);
    expect([...places.values()]).toEqual([...places]);
    expect([...places.entries()].map(([index]) => index)).toEqual([...new Array(places.length).keys()]);
    for (const [index, place] of places.entries()) {
      expect(places.get(index)).toEqual(place);
      if (place.xlated_off === undefined) continue;
      expect(place.xlated_off * 8).toBeLessThan(translatedLength);
      expect(place.jitted_off).toBeLessThan(jitedLength);
      // The verifier only adds instructions before those that are jumped to.
      expect(place.xlated_off).toBeGreaterThanOrEqual(place.orig_off);
    }
    const offsets = [...places].map(({ jitted_off }) => jitted_off);
    expect(new Set(offsets).size).toBeGreaterThan(1);
    expect(places.get(places.length)).toBeUndefined();
    expect(() => places.get(-1)).toThrow('key: ');
  }
  await program.testRun({ context: rawArguments(1) });
});
