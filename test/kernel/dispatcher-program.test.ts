import { loadDispatcher } from '../../lib/dispatcher/index.js';
import { kernelAtLeast } from '../helpers/kernel-version.js';
import { hasKernelBtf } from '../helpers/kernel-types.js';
import { testIf } from '../helpers/skip.js';

// Also where nothing may take the place of its functions.
testIf(hasKernelBtf, 'kernel BTF')('the verifier takes dispatchers of one to ten programs', async () => {
  for (let count = 1; count <= 10; count++) {
    const fragments = kernelAtLeast(5, 18) && count % 2 === 0;
    const slots = Array.from({ length: count }, (_, index) => ({ priority: index, continueOn: 4, fragments }));
    const { handle, slotIds } = await loadDispatcher({ version: 2 + (count % 2), slots });
    expect(new Set(slotIds).size).toBe(count);
    handle.close();
  }
});
