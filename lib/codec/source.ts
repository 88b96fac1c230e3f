/** A property name in an object literal. A plain `"__proto__"` key would set the prototype; a computed one does not. */
export function propertyKey(name: string): string {
  const literal = JSON.stringify(name);
  return name === '__proto__' ? `[${literal}]` : literal;
}

/**
 * Runs generated statements that end in `return`. They reach the functions of `runtime` by name and the constants as
 * `constant0`, `constant1`, … Names from files are in them as string literals only.
 *
 * Throws EvalError where the process forbids code generation.
 */
export function instantiate(
  runtime: Readonly<Record<string, unknown>>,
  constants: readonly unknown[],
  statements: readonly string[],
): unknown {
  const source = [
    "'use strict';",
    `const { ${Object.keys(runtime).join(', ')} } = runtime;`,
    ...constants.map((_, index) => `const constant${index} = constants[${index}];`),
    ...statements,
  ].join('\n');
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the point of this file; see propertyKey
  const make = new Function('runtime', 'constants', source) as (...inputs: readonly unknown[]) => unknown;
  return make(runtime, constants);
}

let allowed: boolean | undefined;

/** Whether this process lets code be generated: `--disallow-code-generation-from-strings` and CSP forbid it. */
export function codeGenerationAllowed(): boolean {
  if (allowed === undefined) {
    try {
      instantiate({}, [], ['return true;']);
      allowed = true;
    } catch (error) {
      if (!(error instanceof EvalError)) throw error;
      allowed = false;
    }
  }
  return allowed;
}
