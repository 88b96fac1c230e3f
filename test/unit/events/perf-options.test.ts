import { checkRecordOptions, checkSnapshotSize } from '../../../lib/events/perf-options.js';

const MiB = 1024 * 1024;

test('what all CPUs keep must fit into one snapshot', () => {
  const options = checkRecordOptions({ bytesPerCpu: 16 * MiB - 1 });
  expect(options).toMatchObject({ bytesPerCpu: 16 * MiB, newest: true, byTime: false });
  checkSnapshotSize(options, 64);
  expect(() => {
    checkSnapshotSize(options, 65);
  }).toThrow(
    expect.objectContaining({
      code: 'ERR_EBPF_INVALID_VALUE',
      message:
        'bytesPerCpu: 16777216 for each of 65 CPUs are more than the 1073741824 that a snapshot may have; ' +
        'say less, or record fewer cpus',
    }),
  );
});
