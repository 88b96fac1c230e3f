// Prints values as libbpf does, for test/unit/btf/print-value.test.ts:
//
//   libbpf-prints <file of BTF> <file of bytes> [compact] [skip_names] [emit_zeroes] < ids, one a line
//
// The bytes are the value of every type; a line of its own, "=", ends each.
#include <bpf/btf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void print(void* context, const char* format, va_list arguments) {
  (void)context;
  vprintf(format, arguments);
}

int main(int count, char** words) {
  static unsigned char bytes[1 << 16];
  LIBBPF_OPTS(btf_dump_type_data_opts, options);
  FILE* file = count < 3 ? NULL : fopen(words[2], "rb");
  if (!file) return 2;
  const size_t size = fread(bytes, 1, sizeof(bytes), file);
  fclose(file);
  struct btf* btf = btf__parse_raw(words[1]);
  struct btf_dump* dump = btf ? btf_dump__new(btf, print, NULL, NULL) : NULL;
  if (!dump) return 3;
  for (int at = 3; at < count; at++) {
    if (!strcmp(words[at], "compact")) options.compact = true;
    if (!strcmp(words[at], "skip_names")) options.skip_names = true;
    if (!strcmp(words[at], "emit_zeroes")) options.emit_zeroes = true;
  }
  unsigned int id;
  while (scanf("%u", &id) == 1) {
    const int result = btf_dump__dump_type_data(dump, id, bytes, size, &options);
    if (result < 0) printf("error %d", result);
    printf("\n=\n");
  }
  btf_dump__free(dump);
  btf__free(btf);
  return 0;
}
