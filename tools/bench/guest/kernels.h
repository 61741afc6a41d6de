/* The kernels that are timed, the same source for every contender. */
#ifndef KERNELS_H
#define KERNELS_H

#include <stdint.h>

/* Runs kernel `id` `repetitions` times. The result depends on all of the work and is the same in 32-bit and 64-bit code. */
uint64_t run_kernel(uint32_t id, uint32_t repetitions);

#endif
