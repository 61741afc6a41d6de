/* A program that uses much of what Linux gives a process and prints what came of it. Every line is the same on every
   machine that works: no times, addresses, process numbers, or last digits that depend on the processor's model. */
#ifndef USERSPACE_H
#define USERSPACE_H

#include <stddef.h>
#include <stdint.h>

void test_text(void);
void test_floating_point(void);
void test_long_double(void);
void test_memory(void);
void test_signals(void);
void test_traps(void);
void test_timers(void);
void test_threads(void);
void test_processes(void);
void test_pipes(void);
void test_files(void);

/* What the program does when it was executed anew by test_processes. */
int run_as_child(int argc, char **argv);

/* Ends the program with a message if a call failed; returns its result otherwise. */
#define MUST(call) must((long)(call), #call, __FILE__, __LINE__)
long must(long result, const char *call, const char *file, int line);

/* FNV-1a, continued from `hash`. */
uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length);
#define HASH_START 0xcbf29ce484222325u

/* xorshift64; the same sequence everywhere. */
uint64_t next_random(uint64_t *state);

#endif
