/* What runs in the Linux guests of `npm run bench:isolation`: two that work, as a database and a web server do, and those
   that the paper's section 4.4 puts beside them. Nothing here ends by itself. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096

_Noreturn static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t state = 88172645463325252u;
static uint64_t chance(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state;
}

/* Transactions: two blocks are read at random and looked through, and one of eight transactions writes one back, each
   with O_DIRECT, so that the disk itself is asked. Says every 16 how many there were. */
static int database(const char *path) {
  int disk = open(path, O_RDWR | O_DIRECT);
  uint64_t *block, sum = 0;
  if (disk < 0) fail(path);
  off_t blocks = lseek(disk, 0, SEEK_END) / BLOCK;
  if (blocks <= 0 || posix_memalign((void **)&block, BLOCK, BLOCK)) fail("disk");
  for (uint64_t count = 1;; count++) {
    off_t place = 0;
    for (int n = 0; n < 2; n++) {
      place = (off_t)(chance() % (uint64_t)blocks) * BLOCK;
      if (pread(disk, block, BLOCK, place) != BLOCK) fail("read");
      for (int pass = 0; pass < 4; pass++)
        for (int i = 0; i < BLOCK / 8; i++) sum = sum * 31 + (block[i] ^ (sum >> 7));
    }
    block[0] ^= sum;
    if (count % 8 == 0 && pwrite(disk, block, BLOCK, place) != BLOCK) fail("write");
    if (count % 16 == 0) printf("=%" PRIu64 "\n", count), fflush(stdout);
  }
}

/* A page of 8 KiB for each connection, each in a process of its own, put together when it is asked for. */
static void answer(int connection) {
  char request[2048], page[BLOCK * 2];
  ssize_t length = read(connection, request, sizeof request - 1);
  if (length <= 0) exit(0);
  int size = snprintf(page, sizeof page, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n");
  while (size < (int)sizeof page - 32) size += snprintf(page + size, 32, "%016" PRIx64 "\n", chance());
  for (int at = 0; at < size;) {
    ssize_t written = write(connection, page + at, (size_t)(size - at));
    if (written <= 0) exit(0);
    at += (int)written;
  }
  shutdown(connection, SHUT_WR);
  while (read(connection, request, sizeof request) > 0);
  exit(0);
}

static int web(const char *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  int server = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(server, (struct sockaddr *)&address, sizeof address) || listen(server, 64)) fail("port");
  signal(SIGCHLD, SIG_IGN);
  printf("=0\n"), fflush(stdout);
  for (;;) {
    int connection = accept(server, NULL, NULL);
    if (connection < 0) continue;
    pid_t child = fork();
    if (child == 0) answer(connection);
    chance();
    close(connection);
  }
}

/* Small synchronous writes all over the disk, and a directory that fills with small files and is emptied. */
static int disk_hog(const char *path) {
  static char data[BLOCK] __attribute__((aligned(BLOCK)));
  char name[64];
  if (fork() == 0) {
    mkdir("/tmp/many", 0755);
    for (;;)
      for (int remove = 0; remove < 2; remove++)
        for (int n = 0; n < 4000; n++) {
          snprintf(name, sizeof name, "/tmp/many/%d", n);
          int file = remove ? unlink(name) : open(name, O_CREAT | O_WRONLY, 0644);
          if (!remove && file >= 0 && write(file, data, 100) >= 0) close(file);
        }
  }
  for (int writer = 0; writer < 3; writer++)
    if (fork() == 0) break;
  int disk = open(path, O_RDWR | O_DIRECT);
  if (disk < 0) fail(path);
  off_t blocks = lseek(disk, 0, SEEK_END) / BLOCK;
  state += (uint64_t)getpid() * 0x9e3779b97f4a7c15u;
  for (uint64_t count = 1;; count++) {
    if (pwrite(disk, data, BLOCK, (off_t)(chance() % (uint64_t)blocks) * BLOCK) != BLOCK) fail("write");
    if (count % 32 == 0) fdatasync(disk);
  }
}

/* Every process makes others for as long as there is room for one, and those that cannot try again. */
_Noreturn static void fork_bomb(void) {
  signal(SIGCHLD, SIG_IGN);
  for (;;) fork();
}

/* Takes memory, touches it, gives all back when there is no more, and starts again. */
_Noreturn static void memory_bomb(void) {
  for (;;) {
    if (fork() == 0)
      for (;;) {
        char *part = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (part == MAP_FAILED) _exit(0);
        for (int at = 0; at < 1 << 20; at += BLOCK) part[at] = 1;
      }
    while (wait(NULL) > 0);
  }
}

/* Asks the hypervisor for nothing: reads and writes scattered words, which leaves nothing of others' in the host's caches. */
_Noreturn static void scatter(void) {
  const size_t words = (32 << 20) / sizeof(uint64_t);
  uint64_t *memory = mmap(NULL, words * sizeof *memory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("memory");
  for (;;) memory[chance() % words] += state;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "database") == 0) return database(argv[2]);
  if (argc == 3 && strcmp(argv[1], "web") == 0) return web(argv[2]);
  if (argc == 3 && strcmp(argv[1], "disk-hog") == 0) return disk_hog(argv[2]);
  if (argc == 2 && strcmp(argv[1], "fork-bomb") == 0) fork_bomb();
  if (argc == 2 && strcmp(argv[1], "memory-bomb") == 0) memory_bomb();
  if (argc == 2 && strcmp(argv[1], "scatter") == 0) scatter();
  fprintf(stderr, "isolation database DISK|web PORT|disk-hog DISK|fork-bomb|memory-bomb|scatter\n");
  return 2;
}
