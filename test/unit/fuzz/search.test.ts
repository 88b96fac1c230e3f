import { search } from '../../helpers/fuzz/search.js';

// Another search each time; a failure prints the seed, and `npm run fuzz -- --seed <n> --runs 5000` repeats it.
test('5,000 damaged objects are read, relocated and printed, or refused with a place', () => {
  const outcomes = search({ runs: 5_000, seed: Math.trunc(Math.random() * 0x7fff_ffff) });
  // A search in which nothing gets far finds nothing.
  expect(outcomes.refused).toBeGreaterThan(1_000);
  expect(outcomes.read).toBeGreaterThan(100);
  expect(outcomes.relocated).toBeGreaterThan(100);
}, 600_000);
