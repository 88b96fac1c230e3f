import type { Writable } from 'node:stream';

/** What a command may touch of the process around it; the tests give their own. */
export interface CommandContext {
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Calls back at the first Ctrl-C or SIGTERM. The next one ends the process at once, as if nobody listened. */
  readonly onStop: (stop: () => void) => void;
}

/** One subcommand of `node-ebpf`. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** The whole text of `node-ebpf <name> --help`. */
  readonly help: string;
  /** Does the work and gives the exit status. An error thrown here is reported by `runCommandLine`. */
  readonly run: (args: readonly string[], context: CommandContext) => Promise<number>;
}
