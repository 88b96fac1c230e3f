/** The command line cannot be understood: the process ends with status 2 and points to the help. */
export class CommandLineError extends Error {
  override readonly name = 'CommandLineError';
}
