// Asks as a user without any capability, and prints what came back.
import {
  BtfKind,
  EbpfError,
  HelperId,
  LinkType,
  MapType,
  ProgramType,
  features,
  isSupported,
} from '../../../lib/index.js';

async function main(): Promise<void> {
  // The addon is loaded while it can be read.
  isSupported();
  process.setgroups?.([]);
  process.setgid?.(65_534);
  process.setuid?.(65_534);
  const questions = {
    programType: async () => features.programType(ProgramType.KPROBE),
    mapType: async () => features.mapType(MapType.LPM_TRIE),
    btfKind: async () => features.btfKind(BtfKind.FLOAT),
    helper: async () => features.helper(ProgramType.TRACEPOINT, HelperId.probe_read_kernel),
    linkType: async () => features.linkType(LinkType.PERF_EVENT),
  };
  for (const [name, ask] of Object.entries(questions)) {
    const answer = await ask().then(
      ({ supported }) => String(supported),
      (error: unknown) => (EbpfError.is(error) ? error.code : String(error)),
    );
    console.log(`${name} ${answer}`);
  }
}

void main();
