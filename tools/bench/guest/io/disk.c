/* io disk NAME PATH PATTERN CACHING BLOCK DEPTH PASS SPAN MILLISECONDS ROUNDS: reads or writes blocks of a disk or file.

   PATTERN: seq-read, seq-write, random-read or random-write; sizes in bytes. A pass moves PASS bytes: from the start on, or
   at random places within SPAN, in the same order on every peer. A pass that writes in sequence ends with fdatasync, within
   its time.
   CACHING: direct (O_DIRECT), buffered (this kernel's cache, empty at the start of each round) or cached (as it comes).
   DEPTH requests are under way at once; more than one by the kernel's own asynchronous I/O (io_submit(2)).

   Every 4 KiB of the disk begin with their number from 1 on and with the number of the pass that wrote them. */
#define _GNU_SOURCE
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TAG_INTERVAL = 4096, MAX_DEPTH = 64 };

struct disk {
  int fd, is_write, is_random, is_buffered;
  uint32_t block, depth;
  uint64_t pass_bytes, span;
  uint32_t random, pass_number;
  aio_context_t aio;
  uint8_t *buffers[MAX_DEPTH];
  struct iocb requests[MAX_DEPTH];
};

static uint64_t next_offset(struct disk *disk, uint64_t index) {
  if (!disk->is_random) return index * disk->block;
  uint32_t x = disk->random;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  disk->random = x;
  return x % (disk->span / disk->block) * disk->block;
}

static void write_tags(struct disk *disk, uint8_t *buffer, uint64_t offset) {
  for (uint32_t at = 0; at < disk->block; at += TAG_INTERVAL) {
    uint32_t tag[2] = {(uint32_t)((offset + at) / TAG_INTERVAL) + 1, disk->pass_number};
    memcpy(buffer + at, tag, sizeof tag);
  }
}

/* `pass_number` is 0 where any pass will do. */
static void check_tags(struct disk *disk, const uint8_t *buffer, uint64_t offset, uint32_t pass_number) {
  for (uint32_t at = 0; at < disk->block; at += TAG_INTERVAL) {
    uint32_t tag[2];
    memcpy(tag, buffer + at, sizeof tag);
    if (tag[0] != (uint32_t)((offset + at) / TAG_INTERVAL) + 1) fail_check("the disk answered a block that is another's");
    if (pass_number && tag[1] != pass_number) fail_check("the disk lost a write");
  }
}

static void one_by_one(struct disk *disk, uint64_t blocks) {
  uint8_t *buffer = disk->buffers[0];
  for (uint64_t index = 0; index < blocks; index++) {
    uint64_t offset = next_offset(disk, index);
    if (disk->is_write) write_tags(disk, buffer, offset);
    ssize_t moved = disk->is_write ? pwrite(disk->fd, buffer, disk->block, (off_t)offset)
                                   : pread(disk->fd, buffer, disk->block, (off_t)offset);
    if (moved != (ssize_t)disk->block) fail("disk");
    if (!disk->is_write) check_tags(disk, buffer, offset, 0);
  }
}

static void submit(struct disk *disk, struct iocb **list, long count) {
  while (count > 0) {
    long taken = syscall(SYS_io_submit, disk->aio, count, list);
    if (taken <= 0 && errno != EAGAIN && errno != EINTR) fail("io_submit");
    if (taken > 0) list += taken, count -= taken;
  }
}

static void many_at_once(struct disk *disk, uint64_t blocks) {
  struct iocb *list[MAX_DEPTH];
  struct io_event events[MAX_DEPTH];
  uint64_t started = 0, ended = 0;
  long count = 0;
  for (uint32_t slot = 0; slot < disk->depth && slot < blocks; slot++) list[count++] = &disk->requests[slot];
  while (ended < blocks) {
    long ready = 0;
    for (long i = 0; i < count && started < blocks; i++) {
      uint64_t slot = (uint64_t)(list[i] - disk->requests), offset = next_offset(disk, started++);
      if (disk->is_write) write_tags(disk, disk->buffers[slot], offset);
      *list[i] = (struct iocb){
          .aio_data = slot,
          .aio_lio_opcode = disk->is_write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
          .aio_fildes = (uint32_t)disk->fd,
          .aio_buf = (uint64_t)(uintptr_t)disk->buffers[slot],
          .aio_nbytes = disk->block,
          .aio_offset = (int64_t)offset,
      };
      ready++;
    }
    submit(disk, list, ready);
    count = syscall(SYS_io_getevents, disk->aio, 1, disk->depth, events, NULL);
    if (count < 0 && errno == EINTR) count = 0;
    if (count < 0) fail("io_getevents");
    for (long i = 0; i < count; i++) {
      struct iocb *request = &disk->requests[events[i].data];
      if (events[i].res != disk->block) {
        errno = events[i].res < 0 ? (int)-events[i].res : EIO;
        fail("disk");
      }
      if (!disk->is_write) check_tags(disk, disk->buffers[events[i].data], (uint64_t)request->aio_offset, 0);
      list[i] = request;
    }
    ended += (uint64_t)count;
  }
}

static void prepare(void *job) {
  struct disk *disk = job;
  if (disk->is_write || disk->is_buffered) fdatasync(disk->fd);
  if (disk->is_buffered && posix_fadvise(disk->fd, 0, 0, POSIX_FADV_DONTNEED)) fail_check("the cache could not be emptied");
}

static uint64_t pass(void *job) {
  struct disk *disk = job;
  uint64_t blocks = disk->pass_bytes / disk->block;
  disk->pass_number++;
  if (disk->depth == 1) one_by_one(disk, blocks);
  else many_at_once(disk, blocks);
  if (disk->is_write && !disk->is_random && fdatasync(disk->fd)) fail("fdatasync");
  return blocks * disk->block;
}

/* What the last pass wrote is on the disk. */
static void check_last_pass(struct disk *disk) {
  prepare(disk);
  for (uint64_t offset = 0; offset < disk->pass_bytes; offset += disk->block) {
    if (pread(disk->fd, disk->buffers[0], disk->block, (off_t)offset) != (ssize_t)disk->block) fail("disk");
    check_tags(disk, disk->buffers[0], offset, disk->pass_number);
  }
}

int disk_main(int argc, char **argv) {
  if (argc != 11) fail_check("io disk NAME PATH PATTERN CACHING BLOCK DEPTH PASS SPAN MILLISECONDS ROUNDS");
  const char *pattern = argv[3], *caching = argv[4];
  struct disk disk = {
      .is_write = strstr(pattern, "write") != NULL,
      .is_random = strstr(pattern, "random") != NULL,
      .is_buffered = strcmp(caching, "buffered") == 0,
      .block = (uint32_t)number(argv[5]),
      .depth = (uint32_t)number(argv[6]),
      .pass_bytes = number(argv[7]),
      .span = number(argv[8]),
      .random = 2463534242u,
  };
  if (disk.block == 0 || disk.block % TAG_INTERVAL || disk.depth < 1 || disk.depth > MAX_DEPTH || disk.span < disk.pass_bytes ||
      disk.pass_bytes % disk.block)
    fail_check("io disk: these sizes do not go together");
  disk.fd = open(argv[2], (disk.is_write ? O_RDWR : O_RDONLY) | (strcmp(caching, "direct") == 0 ? O_DIRECT : 0));
  if (disk.fd < 0) fail(argv[2]);
  for (uint32_t slot = 0; slot < disk.depth; slot++) {
    if (posix_memalign((void **)&disk.buffers[slot], TAG_INTERVAL, disk.block)) fail_check("no memory for buffers");
    /* Not of zeros, which a sparse or compressed image would treat in its own way. */
    memset(disk.buffers[slot], 0xa5, disk.block);
  }
  if (disk.depth > 1 && syscall(SYS_io_setup, disk.depth, &disk.aio)) fail("io_setup");
  struct rounds rounds = {argv[1], (uint32_t)number(argv[10]), number(argv[9]) * 1000000u, prepare, pass};
  run_rounds(&rounds, &disk);
  if (disk.is_write && !disk.is_random) check_last_pass(&disk);
  return 0;
}
