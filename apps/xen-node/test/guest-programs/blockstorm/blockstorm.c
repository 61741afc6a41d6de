/* Writes runs of blocks at random, flushes now and then, and says what was flushed:
 *   blockstorm DEVICE SEED [OPERATIONS]
 * Each sector tells who wrote it: operation number and sector number, then numbers that follow from both. The operations
 * follow from the seed alone, so that who reads "xvda: flushed N" can tell what the disk must hold, whatever happens next.
 * support/block-storm.ts has the same sequence. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/fs.h>

enum { BLOCK = 4096, SECTOR = 512, WORDS = SECTOR / 4, MOST_BLOCKS = 4096, LONGEST = 64 };

static uint32_t state;

/* mulberry32 */
static uint32_t mix(uint32_t *at)
{
	uint32_t t = *at += 0x6d2b79f5;
	t = (t ^ t >> 15) * (t | 1);
	t ^= t + (t ^ t >> 7) * (t | 61);
	return t ^ t >> 14;
}

static void fill(uint32_t *words, uint32_t operation, uint32_t sector)
{
	uint32_t at = operation * 0x9e3779b1u ^ sector * 0x85ebca6bu;
	words[0] = operation;
	words[1] = sector;
	for (int i = 2; i < WORDS; i++)
		words[i] = mix(&at);
}

static void die(const char *what)
{
	printf("blockstorm: %s: %s\n", what, strerror(errno));
	exit(1);
}

int main(int argc, char **argv)
{
	static uint32_t writer[MOST_BLOCKS];
	uint32_t expected[WORDS];
	uint64_t bytes;
	unsigned char *buffer;

	if (argc < 3)
		return 2;
	state = strtoul(argv[2], NULL, 10);
	uint32_t operations = argc > 3 ? strtoul(argv[3], NULL, 10) : UINT32_MAX;
	int fd = open(argv[1], O_RDWR | O_DIRECT);
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		die(argv[1]);
	if (posix_memalign((void **)&buffer, BLOCK, LONGEST * BLOCK))
		die("memory");
	uint32_t blocks = bytes / BLOCK < MOST_BLOCKS ? bytes / BLOCK : MOST_BLOCKS;
	const char *name = strrchr(argv[1], '/') ? strrchr(argv[1], '/') + 1 : argv[1];
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("%s: storm over %u blocks\n", name, blocks);
	for (uint32_t operation = 1; operation <= operations; operation++) {
		uint32_t length = 1 + mix(&state) % LONGEST;
		uint32_t start = mix(&state) % blocks;
		uint32_t then = mix(&state) % 16;
		if (start + length > blocks)
			length = blocks - start;
		for (uint32_t i = 0; i < length * (BLOCK / SECTOR); i++)
			fill((uint32_t *)(buffer + i * SECTOR), operation, start * (BLOCK / SECTOR) + i);
		if (pwrite(fd, buffer, length * BLOCK, (off_t)start * BLOCK) != (ssize_t)(length * BLOCK))
			die("write");
		for (uint32_t i = 0; i < length; i++)
			writer[start + i] = operation;
		if (then < 3) {
			if (fsync(fd) < 0)
				die("fsync");
			printf("%s: flushed %u\n", name, operation);
		} else if (then < 6) {
			uint32_t block = (start * 7 + operation) % blocks;
			if (pread(fd, buffer, BLOCK, (off_t)block * BLOCK) != BLOCK)
				die("read");
			for (uint32_t i = 0; writer[block] != 0 && i < BLOCK / SECTOR; i++) {
				fill(expected, writer[block], block * (BLOCK / SECTOR) + i);
				if (memcmp(expected, buffer + i * SECTOR, SECTOR)) {
					printf("wrong data in block %u, which operation %u wrote\n", block, writer[block]);
					return 1;
				}
			}
		}
	}
	if (fsync(fd) < 0)
		die("fsync");
	printf("%s: flushed %u\n%s: done\n", name, operations, name);
	return 0;
}
