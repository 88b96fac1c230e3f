// docs/troubleshooting.md: the mistakes it tells of are made here, and the sentences must be those of the errors.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Ebpf, EbpfError, HashMap, ObjectSpec, VerifierError } from '../../lib/index.js';
import { repository } from '../helpers/command.js';
import { sample } from '../helpers/samples.js';

const text = readFileSync(join(repository, 'docs/troubleshooting.md'), 'utf8');
// A sentence may be broken at the end of a line.
const page = text.replace(/\s+/g, ' ');

async function failure(action: () => unknown): Promise<EbpfError> {
  try {
    await action();
  } catch (error) {
    if (EbpfError.is(error)) return error;
    throw error;
  }
  throw new Error('there was no error');
}

/** Which of the sentences the error gives; all of them must be on the page. */
function sentenceOf(error: EbpfError, sentences: readonly string[]): string | undefined {
  for (const sentence of sentences) expect(page).toContain(`\`${sentence}`);
  return sentences.find((sentence) => error.message.includes(sentence));
}

function mistake(program: string, license?: string): ObjectSpec {
  const spec = ObjectSpec.parse(readFileSync(sample('mistakes')), { name: 'mistakes.bpf.o' });
  spec.program(program).autoload = true;
  if (license !== undefined) spec.license = license;
  return spec;
}

describe('the verifier refuses', () => {
  test.each([
    ['unchecked', 'seen = value[0];', ["invalid mem access 'map_value_or_null'"]],
    ['beyond', 'seen = value[4];', ['invalid access to map value, value_size=32 off=32 size=8']],
    ['any_index', 'seen = value[(__u32)value[0]];', ['unbounded memory access, make sure to bounds check any']],
    ['kernel_address', 'seen = *task;', ["invalid mem access 'scalar'", "invalid mem access 'inv'"]],
    ['kept_record', 'return 0;', ['Unreleased reference id=']],
    [
      'foreign_helper',
      'return bpf_msg_apply_bytes(context, 1);',
      ['program of this type cannot use helper bpf_msg_apply_bytes#61', 'unknown func bpf_msg_apply_bytes#61'],
    ],
  ])('%s', async (program, line, sentences) => {
    const error = await failure(async () => Ebpf.load(mistake(program)));
    expect(error).toBeInstanceOf(VerifierError);
    expect(sentences).toContain(sentenceOf(error, sentences));
    expect(error.message).toMatch(/\n {4}at mistakes\.bpf\.c:\d+: /);
    expect(error.message.endsWith(line)).toBe(true);
  });

  test('a helper that asks for the GPL', async () => {
    const error = await failure(async () => Ebpf.load(mistake('kernel_address', 'Proprietary')));
    const sentence = 'cannot call GPL-restricted function from non-GPL compatible program';
    expect(sentenceOf(error, [sentence])).toBe(sentence);
  });

  test('the error that the page shows is that of the program', async () => {
    const error = await failure(async () => Ebpf.load(mistake('unchecked')));
    expect(text).toContain(`\`\`\`text\n${error.message}\n\`\`\``);
  });
});

describe('the library refuses', () => {
  test.each([
    [
      'a name that is misspelt',
      'no variable of "mistakes.bpf.o" is named "sene"; did you mean "seen"?',
      async () => Ebpf.load(sample('mistakes'), { variables: { sene: 1 } }),
    ],
    [
      'a constant that is set too late',
      "it is constant once the object is loaded; set it before, with Ebpf.load's option variables",
      async () => {
        await using ebpf = await Ebpf.load(sample('raw_tracepoint'));
        ebpf.variable('target_pid').value = 1;
      },
    ],
    [
      'a class for another type of map',
      'map "events": it is a map of type RINGBUF, not a HashMap; ask for RingBuffer',
      async () => {
        await using ebpf = await Ebpf.load(sample('mistakes'));
        ebpf.map('events', HashMap);
      },
    ],
    [
      'a section that names no type',
      'section "raw_tracepiont/sys_enter" names no program type; did you mean "raw_tracepoint"',
      async () => Ebpf.load(sample('wrong_section')),
    ],
  ])('%s', async (_, sentence, action) => {
    expect(sentenceOf(await failure(action), [sentence])).toBe(sentence);
  });
});
