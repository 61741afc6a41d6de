/* The kernels as an ordinary program: native KERNEL REPETITIONS TIMES ROUNDS. For each round it runs the kernel TIMES times
   and prints the result and the nanoseconds of processor time. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kernels.h"

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  uint32_t id = (uint32_t)atoi(argv[1]), repetitions = (uint32_t)atoi(argv[2]);
  int times = atoi(argv[3]);
  for (int rounds = atoi(argv[4]); rounds > 0; rounds--) {
    struct timespec start, end;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    uint64_t result = 0;
    for (int time = 0; time < times; time++) result = run_kernel(id, repetitions);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    printf("%016" PRIx64 " %lld\n", result,
           (end.tv_sec - start.tv_sec) * 1000000000LL + (end.tv_nsec - start.tv_nsec));
  }
  return 0;
}
