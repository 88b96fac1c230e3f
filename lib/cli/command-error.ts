/** A failure that its message explains in full: no library error, no mistake of this program. */
export class CommandError extends Error {
  override readonly name: string = 'CommandError';
}

/** The command line cannot be understood: the process ends with status 2 and points to the help. */
export class CommandLineError extends CommandError {
  override readonly name = 'CommandLineError';
}
