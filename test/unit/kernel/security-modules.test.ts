import { UnsupportedError } from '../../../lib/errors/index.js';
import { bpfModule, type SecurityFacts } from '../../../lib/kernel/index.js';

const nothing: SecurityFacts = {
  modules: undefined,
  hooks: undefined,
  commandLine: undefined,
  config: { text: '', places: ['/boot/config-6.1 (ENOENT)', '/proc/config.gz (ENOENT)'] },
};
const config = (text: string): SecurityFacts['config'] => ({ text, places: ['/proc/config.gz'] });
const built = config('CONFIG_BPF_LSM=y\nCONFIG_LSM="landlock,yama,bpf"\n');

test.each<[Partial<SecurityFacts>, boolean, string]>([
  [{ modules: 'capability,landlock,bpf\n' }, true, '/sys/kernel/security/lsm lists capability,landlock,bpf'],
  [
    { modules: 'capability,bpfilter\n', config: built, commandLine: 'lsm=bpf' },
    false,
    '/sys/kernel/security/lsm lists capability,bpfilter and not bpf; boot with lsm=...,bpf',
  ],
  [{ hooks: false, commandLine: 'quiet lsm=bpf' }, false, 'this kernel was built without CONFIG_BPF_LSM'],
  [
    { commandLine: 'quiet', config: config('CONFIG_LSM="bpf"\n') },
    false,
    'this kernel was built without CONFIG_BPF_LSM',
  ],
  [{ hooks: true, commandLine: 'quiet lsm=yama lsm=yama,bpf\n' }, true, '/proc/cmdline chooses yama,bpf'],
  [
    { commandLine: 'lsm=bpf lsm=yama', config: built },
    false,
    '/proc/cmdline chooses yama and not bpf; boot with lsm=...,bpf',
  ],
  [{ commandLine: 'quiet', config: built }, true, 'CONFIG_LSM of /proc/config.gz is landlock,yama,bpf'],
  [
    { commandLine: 'quiet', config: config('CONFIG_BPF_LSM=y\nCONFIG_LSM="yama"\n') },
    false,
    'CONFIG_LSM of /proc/config.gz is yama and not bpf; boot with lsm=...,bpf',
  ],
])('%j', (facts, supported, reason) => {
  expect(bpfModule({ ...nothing, ...facts })).toEqual({ supported, reason });
});

test.each<Partial<SecurityFacts>>([
  {},
  { hooks: true, commandLine: 'quiet' },
  // The configuration says what is chosen unless the boot parameters do.
  { config: built },
])('%j tells nothing', (facts) => {
  const run = (): unknown => bpfModule({ ...nothing, ...facts });
  expect(run).toThrow(UnsupportedError);
  expect(run).toThrow(/mount -t securityfs securityfs/);
});
