import { summarizeLog } from '../../../lib/programs/verifier-log.js';

test('the reason after the last instruction, with the source line before it', () => {
  const log = `func#0 @0
Live regs before insn:
      0: .1........ (b7) r1 = 0
0: R1=ctx() R10=fp0
; __u32 key = 0; @ rejected.bpf.c:17
0: (b7) r1 = 0                        ; R1_w=0
1: (63) *(u32 *)(r10 -4) = r1         ; R1_w=0 R10=fp0 fp-8=0000????
; *count += 1; @ rejected.bpf.c:20
7: (79) r1 = *(u64 *)(r0 +0)
R0 invalid mem access 'map_value_or_null'
processed 8 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
`;
  expect(summarizeLog(log)).toEqual({
    summary: "R0 invalid mem access 'map_value_or_null'\n    instruction 7: r1 = *(u64 *)(r0 +0)",
    instruction: 7,
    line: 'rejected.bpf.c:20: *count += 1;',
  });
});

test('source lines of kernels before 6.8 have no place', () => {
  const log = `; *count += 1;
7: (79) r1 = *(u64 *)(r0 +0)
 R0_w=map_value_or_null(id=1,off=0,ks=4,vs=8,imm=0) R10=fp0 fp-8=mmmm????
R0 invalid mem access 'map_value_or_null'
`;
  expect(summarizeLog(log)).toMatchObject({ instruction: 7, line: '*count += 1;' });
});

test('several lines of reason', () => {
  const log = `5: (71) r1 = *(u8 *)(r6 +100)
invalid access to map value, value_size=8 off=100 size=1
R6 min value is outside of the allowed memory range
processed 6 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
`;
  expect(summarizeLog(log).summary).toBe(
    'invalid access to map value, value_size=8 off=100 size=1; ' +
      'R6 min value is outside of the allowed memory range\n    instruction 5: r1 = *(u8 *)(r6 +100)',
  );
});

test('an instruction that the reason itself names', () => {
  expect(summarizeLog('unreachable insn 3\n')).toEqual({
    summary: 'unreachable insn 3',
    instruction: 3,
    line: undefined,
  });
});

test('the verifier gives up', () => {
  const log = `3: (07) r1 += 1 ; R1_w=5
BPF program is too large. Processed 1000001 insn
processed 1000001 insns (limit 1000000) max_states_per_insn 4 total_states 10 peak_states 10 mark_read 1
`;
  expect(summarizeLog(log).summary).toBe(
    'BPF program is too large. Processed 1000001 insn\n    instruction 3: r1 += 1',
  );
});

test.each(['', '\n\n', 'processed 0 insns\n'])('a log without a reason: %j', (log) => {
  expect(summarizeLog(log)).toEqual({ summary: 'the log gives no reason', instruction: undefined, line: undefined });
});

test('the second explanation that Linux 7.3 writes is left to the whole log', () => {
  const log = `; *count += 1; @ rejected.bpf.c:20
7: (79) r1 = *(u64 *)(r0 +0)
R0 invalid mem access 'map_value_or_null'

Verification failed: Register Type Safety: Invalid dereference

Reason:
  R0 may be NULL here (a nullable map value pointer). The program could dereference NULL on this
  path, so the verifier cannot prove this access is safe.

At:
  unchecked @ rejected.bpf.c:20:9
  Instruction context:
  >>>  7 | (79) r1 = *(u64 *)(r0 +0)
       8 | (07) r1 += 1

Suggestion:
  Add a NULL check before the access and dereference the pointer only on the non-NULL path.

processed 7 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
`;
  expect(summarizeLog(log)).toEqual({
    summary: "R0 invalid mem access 'map_value_or_null'\n    instruction 7: r1 = *(u64 *)(r0 +0)",
    instruction: 7,
    line: 'rejected.bpf.c:20: *count += 1;',
  });
});
