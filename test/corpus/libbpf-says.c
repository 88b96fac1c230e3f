// What libbpf makes of an object, one JSON value a line, for test/corpus/libbpf.mjs to compare with.
//
//   libbpf-says open <object>            programs and maps as they stand in the object
//   libbpf-says plan <object>            what bpf(2) would be given to load them: nothing reaches the kernel
//   libbpf-says load <object>            loads all programs or, when that fails, each by itself; nothing is attached
//
// After <object> may come name=function: programs of SEC("fentry/name") and the like are for that function.
// libbpf makes its system calls through syscall(3), which this executable defines in libc's place.
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WARNING_LENGTH = 2048, NAME_LENGTH = 16, LINK_LENGTH = 64 };

static enum { OPEN, PLAN, LOAD } mode;
static struct bpf_object* object;
static char** targets;
// In load order; what PROG_LOAD is called for is the next one.
static struct bpf_program* awaited;
static char warning[WARNING_LENGTH];
static int failed_command = -1, failed_errno;

static void print_string(const char* text) {
  putchar('"');
  for (const unsigned char* at = (const unsigned char*)(text ? text : ""); *at; at++) {
    if (*at == '"' || *at == '\\' || *at < 0x20 || *at >= 0x7f)
      printf("\\u%04x", *at);
    else
      putchar(*at);
  }
  putchar('"');
}

static void print_bytes(const char* name, unsigned long long address, size_t size) {
  printf(",\"%s\":\"", name);
  for (size_t at = 0; at < size; at++) printf("%02x", ((const unsigned char*)(uintptr_t)address)[at]);
  putchar('"');
}

// All of them: the first says what is wrong, the last that it failed.
static int keep_warning(enum libbpf_print_level level, const char* format, va_list list) {
  const size_t length = strlen(warning);
  if (level == LIBBPF_WARN) vsnprintf(warning + length, sizeof(warning) - length, format, list);
  return 0;
}

// A descriptor that stands for one of BPF. Large enough to be mapped as any map's memory.
static int stand_in(void) {
  const int descriptor = memfd_create("stand-in", 0);
  if (descriptor < 0 || ftruncate(descriptor, 1LL << 33)) abort();
  return descriptor;
}

// By what it is, not by its number: libbpf duplicates descriptors.
static bool stands_in(unsigned int descriptor) {
  char path[LINK_LENGTH], target[LINK_LENGTH] = "";
  snprintf(path, sizeof(path), "/proc/self/fd/%u", descriptor);
  return readlink(path, target, sizeof(target) - 1) > 0 && !strncmp(target, "/memfd:stand-in", 15);
}

// libbpf's probes of the kernel's features load things of their own; these get the kernel's answer.
static bool is_probe_map(const union bpf_attr* attr) { return !strncmp(attr->map_name, "libbpf_", 7); }

static struct bpf_program* next_to_load(struct bpf_program* after) {
  struct bpf_program* program = after;
  while ((program = bpf_object__next_program(object, program)) && !bpf_program__autoload(program)) continue;
  return program;
}

static bool is_awaited(const union bpf_attr* attr) {
  if (!awaited || !attr->prog_name[0]) return false;
  char expected[NAME_LENGTH] = "";
  strncpy(expected, bpf_program__name(awaited), NAME_LENGTH - 1);
  for (char* at = expected; *at; at++) {
    const bool allowed = (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z');
    if (!allowed && *at != '_' && *at != '.') return false;
  }
  return !strcmp(expected, attr->prog_name);
}

static void print_descriptors(void) {
  struct bpf_map* map;
  const char* comma = "";
  printf(",\"descriptors\":{");
  bpf_object__for_each_map(map, object) {
    if (bpf_map__fd(map) < 0) continue;
    printf("%s\"%d\":", comma, bpf_map__fd(map));
    print_string(bpf_map__name(map));
    comma = ",";
  }
  putchar('}');
}

static void print_program_load(const union bpf_attr* attr) {
  printf("{\"event\":\"program\",\"name\":");
  print_string(bpf_program__name(awaited));
  printf(",\"kernelName\":");
  print_string(attr->prog_name);
  printf(",\"type\":%u,\"attachType\":%u,\"flags\":%u,\"attachBtfId\":%u,\"kernelVersion\":%u,\"license\":",
         attr->prog_type, attr->expected_attach_type, attr->prog_flags, attr->attach_btf_id, attr->kern_version);
  print_string((const char*)(uintptr_t)attr->license);
  print_descriptors();
  print_bytes("code", attr->insns, attr->insn_cnt * sizeof(struct bpf_insn));
  if (attr->func_info_cnt) print_bytes("functionInfo", attr->func_info, attr->func_info_cnt * attr->func_info_rec_size);
  if (attr->line_info_cnt) print_bytes("lineInfo", attr->line_info, attr->line_info_cnt * attr->line_info_rec_size);
  printf("}\n");
}

static void print_map_create(const union bpf_attr* attr) {
  printf("{\"event\":\"map\",\"kernelName\":");
  print_string(attr->map_name);
  printf(
      ",\"type\":%u,\"keySize\":%u,\"valueSize\":%u,\"maxEntries\":%u,\"flags\":%u,\"numaNode\":%u,\"mapExtra\":%llu,"
      "\"keyType\":%u,\"valueType\":%u}\n",
      attr->map_type, attr->key_size, attr->value_size, attr->max_entries, attr->map_flags, attr->numa_node,
      (unsigned long long)attr->map_extra, attr->btf_key_type_id, attr->btf_value_type_id);
}

// The answer to a call that does not reach the kernel; 1 when it shall.
static long answer(unsigned int command, const union bpf_attr* attr) {
  if (mode != PLAN) return 1;
  switch (command) {
    case BPF_MAP_CREATE:
      if (is_probe_map(attr)) return 1;
      print_map_create(attr);
      return stand_in();
    case BPF_PROG_LOAD:
      if (!is_awaited(attr)) return 1;
      print_program_load(attr);
      awaited = next_to_load(awaited);
      return stand_in();
    case BPF_MAP_UPDATE_ELEM:
    case BPF_MAP_FREEZE:
      return stands_in(attr->map_fd) ? 0 : 1;
    case BPF_PROG_BIND_MAP:
      return stands_in(attr->prog_bind_map.prog_fd) ? 0 : 1;
    default:
      return 1;
  }
}

long syscall(long number, ...) {
  static long (*libc_syscall)(long, ...);
  if (!libc_syscall) libc_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  va_list list;
  long word[6];
  va_start(list, number);
  for (int at = 0; at < 6; at++) word[at] = va_arg(list, long);
  va_end(list);
  if (number != SYS_bpf) return libc_syscall(number, word[0], word[1], word[2], word[3], word[4], word[5]);
  // The kernel's structure may be longer or shorter than that of this compilation's headers.
  union bpf_attr attr = {0};
  memcpy(&attr, (const void*)word[1], (size_t)word[2] < sizeof(attr) ? (size_t)word[2] : sizeof(attr));
  const long answered = answer((unsigned int)word[0], &attr);
  if (answered != 1) return answered;
  const long result = libc_syscall(number, word[0], word[1], word[2]);
  if (mode == LOAD && result < 0 &&
      (word[0] == BPF_MAP_CREATE ? !is_probe_map(&attr) : word[0] == BPF_PROG_LOAD && is_awaited(&attr))) {
    failed_command = (int)word[0];
    failed_errno = errno;
  }
  return result;
}

static void open_object(const char* path) {
  object = bpf_object__open_file(path, NULL);
  if (object) return;
  printf("{\"event\":\"refused\",\"errno\":%d,\"warning\":", errno);
  print_string(warning);
  printf("}\n");
  exit(0);
}

static void print_map(struct bpf_map* map) {
  printf("{\"event\":\"map\",\"name\":");
  print_string(bpf_map__name(map));
  const char* pin_path = bpf_map__pin_path(map);
  size_t size = 0;
  const void* value = bpf_map__initial_value(map, &size);
  printf(
      ",\"type\":%u,\"keySize\":%u,\"valueSize\":%u,\"maxEntries\":%u,\"flags\":%u,\"numaNode\":%u,\"mapExtra\":%llu,"
      "\"keyType\":%u,\"valueType\":%u,\"internal\":%s,\"autoCreate\":%s,\"pinPath\":",
      bpf_map__type(map), bpf_map__key_size(map), bpf_map__value_size(map), bpf_map__max_entries(map),
      bpf_map__map_flags(map), bpf_map__numa_node(map), (unsigned long long)bpf_map__map_extra(map),
      bpf_map__btf_key_type_id(map), bpf_map__btf_value_type_id(map), bpf_map__is_internal(map) ? "true" : "false",
      bpf_map__autocreate(map) ? "true" : "false");
  print_string(pin_path);
  if (value && bpf_map__is_internal(map)) print_bytes("value", (uintptr_t)value, size);
  printf("}\n");
}

static void print_program(const struct bpf_program* program) {
  printf("{\"event\":\"program\",\"name\":");
  print_string(bpf_program__name(program));
  printf(",\"section\":");
  print_string(bpf_program__section_name(program));
  printf(",\"type\":%u,\"attachType\":%u,\"flags\":%u,\"autoload\":%s", bpf_program__type(program),
         bpf_program__expected_attach_type(program), bpf_program__flags(program),
         bpf_program__autoload(program) ? "true" : "false");
  print_bytes("code", (uintptr_t)bpf_program__insns(program), bpf_program__insn_cnt(program) * sizeof(struct bpf_insn));
  printf("}\n");
}

static void say_object(const char* path) {
  struct bpf_program* program;
  struct bpf_map* map;
  open_object(path);
  printf("{\"event\":\"object\",\"kernelVersion\":%u}\n", bpf_object__kversion(object));
  bpf_object__for_each_map(map, object) print_map(map);
  bpf_object__for_each_program(program, object) print_program(program);
}

// Names that mean no type to libbpf get the type that their tool gives them.
static void give_types(void) {
  struct bpf_program* program;
  bpf_object__for_each_program(program, object) {
    if (bpf_program__type(program) != BPF_PROG_TYPE_UNSPEC) continue;
    const bool remote_control = !strncmp(bpf_program__section_name(program), "lirc_mode2", 10);
    bpf_program__set_type(program, remote_control ? BPF_PROG_TYPE_LIRC_MODE2 : BPF_PROG_TYPE_SOCKET_FILTER);
    if (remote_control) bpf_program__set_expected_attach_type(program, BPF_LIRC_MODE2);
  }
}

// Functions that tools choose when they run.
static void give_targets(void) {
  struct bpf_program* program;
  bpf_object__for_each_program(program, object) {
    const char* place = strchr(bpf_program__section_name(program), '/');
    if (!place || bpf_program__type(program) != BPF_PROG_TYPE_TRACING) continue;
    for (char** target = targets; *target; target++) {
      const size_t length = strcspn(*target, "=");
      if (strncmp(place + 1, *target, length) || place[1 + length]) continue;
      // A kernel without that function refuses the program.
      bpf_program__set_attach_target(program, 0, *target + length + 1);
    }
  }
}

// What tools set before they load: maps without a size of their own. Nothing is pinned.
static void prepare_maps(void) {
  struct bpf_map* map;
  bpf_object__for_each_map(map, object) {
    bpf_map__set_pin_path(map, NULL);
    if (mode != LOAD) continue;
    const enum bpf_map_type type = bpf_map__type(map);
    if (type == BPF_MAP_TYPE_STACK_TRACE && bpf_map__value_size(map) == 0) bpf_map__set_value_size(map, 127 * 8);
    if (bpf_map__max_entries(map) > 0 || bpf_map__is_internal(map)) continue;
    if (type == BPF_MAP_TYPE_RINGBUF || type == BPF_MAP_TYPE_USER_RINGBUF)
      bpf_map__set_max_entries(map, 4096);
    else if (type >= BPF_MAP_TYPE_HASH && type <= BPF_MAP_TYPE_STACK && type != BPF_MAP_TYPE_PERF_EVENT_ARRAY &&
             type != BPF_MAP_TYPE_CGROUP_STORAGE && type != BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE)
      bpf_map__set_max_entries(map, 64);
  }
}

// Of all programs when `only` is NULL. Returns libbpf's error.
static int load_programs(const char* path, const char* only) {
  struct bpf_program* program;
  open_object(path);
  give_types();
  give_targets();
  prepare_maps();
  bpf_object__for_each_program(program, object)
      bpf_program__set_autoload(program, !only || !strcmp(bpf_program__name(program), only));
  awaited = next_to_load(NULL);
  warning[0] = 0;
  failed_command = -1;
  const int error = bpf_object__load(object);
  if (mode == LOAD && !error) {
    bpf_object__for_each_program(program, object) {
      if (bpf_program__fd(program) < 0) continue;
      printf("{\"event\":\"loaded\",\"name\":");
      print_string(bpf_program__name(program));
      printf("}\n");
    }
  }
  if (error && only) {
    printf("{\"event\":\"failed\",\"name\":");
    print_string(only);
    printf(",\"errno\":%d,\"command\":%d,\"warning\":", failed_command < 0 ? -error : failed_errno, failed_command);
    print_string(warning);
    printf("}\n");
  }
  fflush(stdout);
  bpf_object__close(object);
  return error;
}

static void load_object(const char* path) {
  if (load_programs(path, NULL) == 0) return;
  if (mode == PLAN) printf("{\"event\":\"singly\"}\n");
  open_object(path);
  struct bpf_object* all = object;
  struct bpf_program* program;
  bpf_object__for_each_program(program, all) load_programs(path, bpf_program__name(program));
  bpf_object__close(all);
}

int main(int count, char** words) {
  if (count < 3) return 2;
  targets = words + 3;
  mode = !strcmp(words[1], "open") ? OPEN : !strcmp(words[1], "plan") ? PLAN : LOAD;
  libbpf_set_print(keep_warning);
  if (mode == OPEN)
    say_object(words[2]);
  else
    load_object(words[2]);
  return 0;
}
