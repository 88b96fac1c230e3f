// The rules' file, and what its rules are to the kernel.
import { lstatSync } from 'node:fs';
import { basename, dirname } from 'node:path';

import { bool, cstr, enumeration, HashMap, kernelDevice, struct, u32, u64, type EntriesOf } from 'node-ebpf';
import { parse } from 'yaml';

/** Kinds of events, by the numbers that security_monitor.bpf.c gives them. */
export const kinds = [
  ...['fork', 'exit', 'exec', 'write', 'remove', 'rename', 'link', 'chmod', 'connect', 'bind', 'raw socket', 'module'],
  ...['bpf', 'setuid', 'ptrace', 'mount'],
] as const;
export type Kind = (typeof kinds)[number];

const aboutFiles = ['exec', 'write', 'remove', 'rename', 'link', 'chmod', 'mount'];
const aboutPorts = ['connect', 'bind'];

export interface Rule {
  readonly name: string;
  readonly on: readonly Kind[];
  /** Files, and directories with all that is below them. */
  readonly paths: readonly string[];
  readonly ports: readonly number[];
  /** Only of processes that a program of this name is an ancestor of. Asked when it has happened: it cannot be forbidden. */
  readonly ancestor: string | undefined;
  /** Forbids it, not only tells of it. */
  readonly deny: boolean;
}

/** What a rule is about, as the kernel's programs look it up, and which rule that is. */
export const kind = enumeration(u32, kinds);
export const Subject = struct('subject', { inode: u64, device: u32, kind, port: u32, name: cstr(40) });
export const Verdicts = HashMap.of(Subject, struct('verdict', { rule: u32, deny: bool }));

/** A file of rules that says something else than rules. */
export class RuleError extends Error {
  override name = 'RuleError';
}

export type RuleFile = ReturnType<typeof parseRules>;

/** The rules, and the programs to which nothing is forbidden. */
export function parseRules(text: string): { rules: readonly Rule[]; trusted: readonly string[] } {
  const file = fields(parsed(text) ?? {}, 'the file', ['rules', 'trusted']);
  return {
    rules: list(file['rules'], 'rules').map((rule, index) => parseRule(rule, `rule ${index + 1}`)),
    trusted: texts(file['trusted'], 'trusted'),
  };
}

function parsed(text: string): unknown {
  try {
    return parse(text);
  } catch (cause) {
    throw new RuleError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function parseRule(value: unknown, where: string): Rule {
  const rule = fields(value, where, ['name', 'on', 'paths', 'ports', 'ancestor', 'deny']);
  const { name, ancestor, deny = false } = rule;
  if (typeof name !== 'string') throw new RuleError(`${where}: name must be a text`);
  const on = texts(typeof rule['on'] === 'string' ? [rule['on']] : rule['on'], `${name}: on`);
  const paths = texts(rule['paths'], `${name}: paths`);
  const ports = list(rule['ports'], `${name}: ports`).map(Number);
  if (on.length === 0) throw new RuleError(`${name}: on must name a kind of event: ${kinds.join(', ')}`);
  for (const kind of on) {
    if (!kinds.some((known) => known === kind))
      throw new RuleError(`${name}: no kind of event is called ${JSON.stringify(kind)}`);
    if (paths.length > 0 && !aboutFiles.includes(kind)) throw new RuleError(`${name}: ${kind} is not about files`);
    if (ports.length > 0 && !aboutPorts.includes(kind)) throw new RuleError(`${name}: ${kind} is not about ports`);
  }
  if (paths.some((path) => !path.startsWith('/'))) throw new RuleError(`${name}: paths must begin with /`);
  if (ports.some((port) => !(port >= 0 && port < 65_536)))
    throw new RuleError(`${name}: ports are numbers below 65536`);
  if (ancestor !== undefined && typeof ancestor !== 'string') throw new RuleError(`${name}: ancestor must be a text`);
  if (typeof deny !== 'boolean') throw new RuleError(`${name}: deny must be true or false`);
  if (deny && ancestor !== undefined)
    throw new RuleError(`${name}: ancestors are known when it has happened; it cannot be denied`);
  return { name, on: on as Kind[], paths, ports, ancestor, deny };
}

/** What the kernel is to look for. */
export function* verdictsOf(rules: readonly Rule[]): EntriesOf<ReturnType<typeof Verdicts.from>> {
  for (const [index, { on, paths, ports, deny }] of rules.entries()) {
    const verdict = { rule: index, deny };
    for (const kind of on) {
      const any = { inode: 0n, device: 0, kind, port: 0, name: '' };
      for (const port of ports) yield [{ ...any, port }, verdict];
      for (const place of placesOf(paths)) yield [{ ...any, ...place }, verdict];
      if (ports.length === 0 && paths.length === 0) yield [any, verdict];
    }
  }
}

/** A path that is not there is known by its directory and its name; without that by nothing. */
export function* placesOf(paths: readonly string[]): Generator<{ inode: bigint; device: number; name: string }> {
  const options = { bigint: true, throwIfNoEntry: false } as const;
  for (const path of paths.map((each) => each.replace(/(?<=.)\/+$/u, ''))) {
    const own = lstatSync(path, options);
    const found = own ?? lstatSync(dirname(path), options);
    if (found === undefined) continue;
    yield { inode: found.ino, device: kernelDevice(found.dev), name: own === undefined ? basename(path) : '' };
  }
}

function fields(value: unknown, where: string, known: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new RuleError(`${where} must have ${known.join(', ')}`);
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new RuleError(`${where}: there is no ${JSON.stringify(unknown)}, only ${known.join(', ')}`);
  return value as Record<string, unknown>;
}

function list(value: unknown, where: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new RuleError(`${where} must be a list`);
  return value;
}

function texts(value: unknown, where: string): readonly string[] {
  const all = list(value, where);
  if (!all.every((item) => typeof item === 'string')) throw new RuleError(`${where} must be texts`);
  return all;
}
