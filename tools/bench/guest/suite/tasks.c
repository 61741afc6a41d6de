/* Whole tasks of busybox, at $BENCH_BUSYBOX, on files in the folder $BENCH_FOLDER. */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DATA_BYTES = 10 << 20, PATH_SIZE = 256 };

static const char *setting(const char *name) {
  const char *value = getenv(name);
  if (!value) fail(name);
  return value;
}

static void path_of(char *path, const char *name) {
  snprintf(path, PATH_SIZE, "%s/%s", setting("BENCH_FOLDER"), name);
}

/* Lines of words and numbers, as text has them: gzip finds repetitions, though not only them. */
static void write_data(void) {
  static const char *const words[] = {"the", "page", "of", "memory", "guest", "is", "domain", "and", "event", "to", "kernel",
                                      "frame", "a", "grant", "in", "table", "which", "hypercall", "vcpu", "for"};
  char path[PATH_SIZE];
  path_of(path, "data");
  FILE *file = fopen(path, "w");
  if (!file) fail(path);
  uint32_t random = 2463534242u;
  for (uint32_t size = 0, line = 0; size < DATA_BYTES; line++) {
    size += (uint32_t)fprintf(file, "%u", next_random(&random) % 100000);
    for (uint32_t word = 0; word < 8; word++)
      size += (uint32_t)fprintf(file, " %s", words[(next_random(&random) >> 8) % (sizeof words / sizeof *words)]);
    size += (uint32_t)fprintf(file, " %x\n", next_random(&random) & 0xffff);
  }
  if (fclose(file) != 0) fail(path);
}

/* Runs a script with busybox's shell, whose "$0" is busybox and "$1" the count; its output goes to the file "output". */
static void run_script(const char *script, uint32_t count) {
  char output[PATH_SIZE], number[16];
  path_of(output, "output");
  snprintf(number, sizeof number, "%u", count);
  const char *busybox = setting("BENCH_BUSYBOX");
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    if (chdir(setting("BENCH_FOLDER")) != 0 || !freopen(output, "w", stdout)) fail(output);
    execl(busybox, busybox, "sh", "-c", script, busybox, number, (char *)NULL);
    fail(busybox);
  }
  int status;
  if (waitpid(child, &status, 0) != child || status != 0) fail("the script");
}

static uint64_t hash_of_output(void) {
  static uint8_t buffer[1 << 16];
  char path[PATH_SIZE];
  path_of(path, "output");
  FILE *file = fopen(path, "r");
  if (!file) fail(path);
  uint64_t hash = FNV64_START;
  for (size_t size; (size = fread(buffer, 1, sizeof buffer, file)) > 0;) hash = fnv64(hash, buffer, (uint32_t)size);
  fclose(file);
  return hash;
}

static void prepare(void) {
  char path[PATH_SIZE];
  path_of(path, "data");
  if (access(path, R_OK) != 0) write_data();
}

#define TASK(name, script) \
  static uint64_t name(uint32_t count) { \
    run_script(script, count); \
    return 0; \
  }
/* The count is MiB of data. */
TASK(gzip, "\"$0\" head -c $(($1 << 20)) data | \"$0\" gzip -c")
TASK(sha256, "\"$0\" head -c $(($1 << 20)) data | \"$0\" sha256sum")
/* The count is thousands of lines. */
TASK(awk, "\"$0\" head -n ${1}000 data | \"$0\" awk '{ n[$3]++; sum += $1; if (length($5) > 4) long++ } "
          "END { for (word in n) total += n[word] * length(word); print NR, total, sum, long }'")
TASK(sort, "\"$0\" head -n ${1}000 data | \"$0\" sort")
/* The count is processes that a shell starts one after another. */
TASK(shell, "i=0; while [ $i -lt $1 ]; do \"$0\" true || exit; i=$((i + 1)); done; echo $i")

const struct program task_programs[] = {
    {"gzip", prepare, gzip, hash_of_output}, {"sha256sum", prepare, sha256, hash_of_output},
    {"awk", prepare, awk, hash_of_output},   {"sort", prepare, sort, hash_of_output},
    {"shell", 0, shell, hash_of_output},     {0, 0, 0, 0},
};
