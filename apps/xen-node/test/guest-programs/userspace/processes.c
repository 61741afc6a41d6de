/* fork, exec, wait, pipes, and a few files. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userspace.h"

static const char own_program[] = "/proc/self/exe";
extern char **environ;

/* "child report WORDS...": prints its arguments and environment. "child sum": adds up what comes over stdin. */
int run_as_child(int argc, char **argv) {
  if (argc > 2 && strcmp(argv[2], "report") == 0) {
    printf("   child:");
    for (int i = 3; i < argc; i++) printf(" [%s]", argv[i]);
    printf(" COLOUR=%s\n", getenv("COLOUR") ? getenv("COLOUR") : "none");
    return 33;
  }
  long sum = 0, lines = 0, value;
  while (scanf("%ld", &value) == 1) {
    sum += value;
    lines++;
  }
  printf("   child: %ld lines, sum %ld\n", lines, sum);
  return 0;
}

static void describe(const char *what, int status) {
  if (WIFEXITED(status)) printf("%s: exit %d\n", what, WEXITSTATUS(status));
  else if (WIFSIGNALED(status)) printf("%s: %s\n", what, strsignal(WTERMSIG(status)));
  else printf("%s: other\n", what);
}

static pid_t fork_flushed(void) {
  fflush(stdout);
  return (pid_t)MUST(fork());
}

static void children(void) {
  int status, codes = 0;
  pid_t pids[8];
  for (int i = 0; i < 8; i++)
    if ((pids[i] = fork_flushed()) == 0) _exit(i * 3);
  for (int i = 7; i >= 0; i--) {
    MUST(waitpid(pids[i], &status, 0));
    codes = codes * 10 + WEXITSTATUS(status) / 3;
  }
  printf("exit codes: %d; nobody left: %d\n", codes, wait(&status) == -1 && errno == ECHILD);

  pid_t child = fork_flushed();
  if (child == 0) {
    for (;;) pause();
  }
  kill(child, SIGTERM);
  MUST(waitpid(child, &status, 0));
  describe("killed", status);
  int *volatile nowhere = NULL;
  if ((child = fork_flushed()) == 0) *nowhere = 1;
  MUST(waitpid(child, &status, 0));
  describe("null pointer", status);
  if ((child = fork_flushed()) == 0) {
    raise(SIGSTOP);
    _exit(5);
  }
  MUST(waitpid(child, &status, WUNTRACED));
  printf("stopped: %d, ", WIFSTOPPED(status));
  kill(child, SIGCONT);
  MUST(waitpid(child, &status, 0));
  describe("continued", status);

  /* Forks that fork. */
  int depth = 0;
  while (depth < 6 && (child = fork_flushed()) == 0) depth++;
  status = 0;
  if (depth < 6) MUST(waitpid(child, &status, 0));
  if (depth > 0) _exit(WEXITSTATUS(status) + depth);
  printf("generations: %d\n", WEXITSTATUS(status));
}

static void programs(void) {
  int status;
  pid_t child = fork_flushed();
  if (child == 0) {
    char *arguments[] = {"userspace", "child", "report", "two words", "", "x", NULL};
    char *environment[] = {"COLOUR=blue", NULL};
    execve(own_program, arguments, environment);
    _exit(127);
  }
  MUST(waitpid(child, &status, 0));
  describe("execve", status);
  char *arguments[] = {"userspace", "child", "report", "spawned", NULL};
  fflush(stdout);
  setenv("COLOUR", "green", 1);
  if (posix_spawn(&child, own_program, NULL, NULL, arguments, environ) != 0) printf("posix_spawn failed\n");
  MUST(waitpid(child, &status, 0));
  describe("posix_spawn", status);
  unsetenv("COLOUR");
  if ((child = fork_flushed()) == 0) {
    execl("/nowhere/at/all", "x", (char *)NULL);
    _exit(errno == ENOENT ? 44 : 45);
  }
  MUST(waitpid(child, &status, 0));
  describe("exec of nothing", status);
  for (int i = 0; i < 10; i++) {
    if ((child = fork_flushed()) == 0) {
      MUST(dup2(open("/dev/null", O_WRONLY), 1));
      execl(own_program, "userspace", "child", "report", (char *)NULL);
      _exit(127);
    }
    MUST(waitpid(child, &status, 0));
  }
  describe("ten more", status);
}

void test_processes(void) {
  children();
  programs();
}

static void ping_pong(void) {
  int to_child[2], to_parent[2];
  MUST(pipe(to_child));
  MUST(pipe(to_parent));
  pid_t child = fork_flushed();
  if (child == 0) {
    close(to_child[1]);
    close(to_parent[0]);
    uint64_t value;
    while (read(to_child[0], &value, sizeof value) == sizeof value) {
      value = value * 3 + 1;
      MUST(write(to_parent[1], &value, sizeof value));
    }
    _exit(0);
  }
  close(to_child[0]);
  close(to_parent[1]);
  uint64_t value = 1;
  for (int i = 0; i < 1000; i++) {
    MUST(write(to_child[1], &value, sizeof value));
    MUST(read(to_parent[0], &value, sizeof value));
  }
  close(to_child[1]);
  close(to_parent[0]);
  int status;
  MUST(waitpid(child, &status, 0));
  printf("ping-pong: %016" PRIx64 ", exit %d\n", value, WEXITSTATUS(status));
}

static void pipeline(void) {
  int ends[2], back[2], status;
  MUST(pipe(ends));
  MUST(pipe(back));
  pid_t child = fork_flushed();
  if (child == 0) {
    MUST(dup2(ends[0], 0));
    MUST(dup2(back[1], 1));
    for (int i = 0; i < 2; i++) close(ends[i]), close(back[i]);
    execl(own_program, "userspace", "child", "sum", (char *)NULL);
    _exit(127);
  }
  close(ends[0]);
  close(back[1]);
  FILE *out = fdopen(ends[1], "w"), *in = fdopen(back[0], "r");
  for (long i = 0; i < 20000; i++) fprintf(out, "%ld\n", i * i);
  fclose(out);
  char line[100] = "";
  printf("pipeline:%s", fgets(line, sizeof line, in) ? line + 2 : " nothing\n");
  fclose(in);
  MUST(waitpid(child, &status, 0));
}

static void limits(void) {
  int ends[2];
  char block[4096] = {0};
  MUST(pipe2(ends, O_NONBLOCK));
  long filled = 0, written;
  while ((written = write(ends[1], block, sizeof block)) > 0) filled += written;
  printf("full pipe: %ld, %s\n", filled, errno == EAGAIN ? "EAGAIN" : "something else");
  struct pollfd poller = {.fd = ends[0], .events = POLLIN};
  long ready = MUST(poll(&poller, 1, 1000));
  printf("poll: %ld %d\n", ready, poller.revents == POLLIN);
  close(ends[0]);
  signal(SIGPIPE, SIG_IGN);
  printf("nobody reads: %d\n", write(ends[1], "x", 1) == -1 && errno == EPIPE);
  signal(SIGPIPE, SIG_DFL);
  close(ends[1]);
  MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
  struct iovec parts[] = {{"scattered ", 10}, {"and ", 4}, {"gathered", 9}};
  MUST(writev(ends[0], parts, 3));
  MUST(write(ends[0], "second", 7));
  char first[64], second[64];
  MUST(read(ends[1], first, sizeof first));
  MUST(read(ends[1], second, sizeof second));
  printf("socket: %s, %s\n", first, second);
  close(ends[0]);
  close(ends[1]);
}

void test_pipes(void) {
  ping_pong();
  pipeline();
  limits();
}

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

void test_files(void) {
  char folder[] = "/tmp/userspace-XXXXXX";
  MUST(mkdtemp(folder) == NULL ? -1 : 0);
  char before[256];
  MUST(getcwd(before, sizeof before) == NULL ? -1 : 0);
  MUST(chdir(folder));
  int file = (int)MUST(open("numbers", O_RDWR | O_CREAT, 0640));
  uint64_t random = 5, hash = HASH_START;
  for (int i = 0; i < 300; i++) {
    uint64_t block[64];
    for (int j = 0; j < 64; j++) block[j] = next_random(&random);
    MUST(pwrite(file, block, sizeof block, (i * 7 % 300) * 512));
  }
  char buffer[1000];
  long length, total = 0;
  while ((length = MUST(read(file, buffer, sizeof buffer))) > 0) {
    hash = hash_bytes(hash, buffer, (size_t)length);
    total += length;
  }
  struct stat status;
  MUST(fstat(file, &status));
  printf("file: %ld bytes, %016" PRIx64 ", mode %o\n", total, hash, status.st_mode & 0777);
  MUST(ftruncate(file, 1000000));
  MUST(lseek(file, -1, SEEK_END));
  MUST(read(file, buffer, 1));
  printf("hole: %d\n", buffer[0]);
  MUST(close(file));
  MUST(rename("numbers", "renamed"));
  MUST(symlink("renamed", "link"));
  MUST(mkdir("folder", 0755));
  FILE *text = fopen("text", "w+");
  for (int i = 0; i < 1000; i++) fprintf(text, "line %d of text\n", i);
  rewind(text);
  char line[64], last[64] = "";
  int lines = 0;
  while (fgets(line, sizeof line, text)) {
    strcpy(last, line);
    lines++;
  }
  fclose(text);
  printf("text: %d lines, last %s", lines, last);
  char names[8][256];
  int count = 0;
  DIR *directory = opendir(".");
  for (struct dirent *entry; count < 8 && (entry = readdir(directory)) != NULL;)
    if (entry->d_name[0] != '.') strcpy(names[count++], entry->d_name);
  closedir(directory);
  qsort(names, (size_t)count, sizeof *names, by_text);
  printf("names:");
  for (int i = 0; i < count; i++) printf(" %s", names[i]);
  long link = MUST(readlink("link", buffer, sizeof buffer));
  printf("; link to %.*s; missing: %s\n", (int)link, buffer, open("missing", O_RDONLY) == -1 ? strerror(errno) : "there");
  MUST(unlink("renamed"));
  MUST(unlink("link"));
  MUST(unlink("text"));
  MUST(rmdir("folder"));
  MUST(chdir(before));
  MUST(rmdir(folder));
  struct utsname name;
  MUST(uname(&name));
  printf("system: %s %s\n", name.sysname, name.machine);
}
