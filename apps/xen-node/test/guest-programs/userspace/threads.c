/* Threads and what they wait with. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "userspace.h"

enum { THREADS = 4, TURNS = 20000, ITEMS = 2000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long plain_count;
static _Atomic long atomic_count;
static _Thread_local long own_count;

static void *counter(void *argument) {
  for (int i = 0; i < TURNS; i++) {
    pthread_mutex_lock(&mutex);
    plain_count++;
    pthread_mutex_unlock(&mutex);
    atomic_fetch_add(&atomic_count, 2);
    long seen = atomic_load(&atomic_count);
    while (!atomic_compare_exchange_weak(&atomic_count, &seen, seen + 1)) {
    }
    own_count += (long)(intptr_t)argument;
    if (i % 1000 == 0) sched_yield();
  }
  return (void *)own_count;
}

static void counting(void) {
  pthread_t threads[THREADS];
  long sum = 0;
  for (intptr_t i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, counter, (void *)(i + 1));
  for (int i = 0; i < THREADS; i++) {
    void *result;
    pthread_join(threads[i], &result);
    sum += (long)result;
  }
  printf("counters: %ld %ld, thread-local sum %ld, own %ld\n", plain_count, atomic_load(&atomic_count), sum, own_count);
}

/* A bounded queue between one producer and three consumers. */
static struct {
  pthread_mutex_t lock;
  pthread_cond_t not_empty, not_full;
  int items[8];
  int head, used;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .not_empty = PTHREAD_COND_INITIALIZER, .not_full = PTHREAD_COND_INITIALIZER};

static void put(int item) {
  pthread_mutex_lock(&queue.lock);
  while (queue.used == 8) pthread_cond_wait(&queue.not_full, &queue.lock);
  queue.items[(queue.head + queue.used++) % 8] = item;
  pthread_cond_signal(&queue.not_empty);
  pthread_mutex_unlock(&queue.lock);
}

static int take(void) {
  pthread_mutex_lock(&queue.lock);
  while (queue.used == 0) pthread_cond_wait(&queue.not_empty, &queue.lock);
  int item = queue.items[queue.head];
  queue.head = (queue.head + 1) % 8;
  queue.used--;
  pthread_cond_signal(&queue.not_full);
  pthread_mutex_unlock(&queue.lock);
  return item;
}

static void *consumer(void *sum) {
  int last = -1, ordered = 1, item;
  while ((item = take()) >= 0) {
    ordered &= item > last;
    last = item;
    *(long *)sum += item;
  }
  return (void *)(intptr_t)ordered;
}

static void queueing(void) {
  pthread_t threads[3];
  long sums[3] = {0};
  int ordered = 1;
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, consumer, &sums[i]);
  for (int item = 0; item < ITEMS; item++) put(item);
  for (int i = 0; i < 3; i++) put(-1);
  for (int i = 0; i < 3; i++) {
    void *result;
    pthread_join(threads[i], &result);
    ordered &= result != NULL;
  }
  printf("queue: sum %ld, in order %d\n", sums[0] + sums[1] + sums[2], ordered);
}

static pthread_barrier_t barrier;
static int steps[THREADS];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_rwlock_t shared_lock = PTHREAD_RWLOCK_INITIALIZER;
static int initialisations, last_ones, mismatches;

static void initialise(void) { initialisations++; }

static void *stepper(void *argument) {
  intptr_t self = (intptr_t)argument;
  pthread_once(&once, initialise);
  for (int step = 0; step < 100; step++) {
    pthread_rwlock_wrlock(&shared_lock);
    steps[self]++;
    pthread_rwlock_unlock(&shared_lock);
    if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) last_ones++;
    pthread_rwlock_rdlock(&shared_lock);
    for (int i = 0; i < THREADS; i++) mismatches += steps[i] != step + 1;
    pthread_rwlock_unlock(&shared_lock);
    pthread_barrier_wait(&barrier);
  }
  return NULL;
}

static void in_step(void) {
  pthread_t threads[THREADS];
  pthread_barrier_init(&barrier, NULL, THREADS);
  for (intptr_t i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, stepper, (void *)i);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  printf("barrier: %d last ones, %d mismatches, initialised %d times\n", last_ones, mismatches, initialisations);
}

static sem_t semaphores[2];
static int cleaned;

static void *echo(void *argument) {
  (void)argument;
  for (int i = 0; i < 500; i++) {
    sem_wait(&semaphores[0]);
    sem_post(&semaphores[1]);
  }
  return NULL;
}

static void clean(void *argument) {
  (void)argument;
  cleaned++;
}

static void *sleeper(void *argument) {
  (void)argument;
  pthread_cleanup_push(clean, NULL);
  sem_post(&semaphores[1]);
  for (;;) pause();
  pthread_cleanup_pop(0);
  return NULL;
}

static _Atomic int signalled;
static pthread_t signal_target;

static void on_signal(int number) {
  (void)number;
  signalled = pthread_equal(pthread_self(), signal_target) ? 1 : 2;
}

static void *waits_for_signal(void *argument) {
  (void)argument;
  sem_post(&semaphores[1]);
  while (!signalled) sched_yield();
  return NULL;
}

static void ping_pong_and_cancel(void) {
  pthread_t thread;
  sem_init(&semaphores[0], 0, 0);
  sem_init(&semaphores[1], 0, 0);
  pthread_create(&thread, NULL, echo, NULL);
  for (int i = 0; i < 500; i++) {
    sem_post(&semaphores[0]);
    sem_wait(&semaphores[1]);
  }
  pthread_join(thread, NULL);
  pthread_create(&thread, NULL, sleeper, NULL);
  sem_wait(&semaphores[1]);
  pthread_cancel(thread);
  void *result;
  pthread_join(thread, &result);
  printf("cancelled: %d, cleaned up %d\n", result == PTHREAD_CANCELED, cleaned);
  signal(SIGUSR1, on_signal);
  pthread_create(&signal_target, NULL, waits_for_signal, NULL);
  sem_wait(&semaphores[1]);
  pthread_kill(signal_target, SIGUSR1);
  pthread_join(signal_target, NULL);
  printf("signal to a thread: %d\n", signalled);
  signal(SIGUSR1, SIG_DFL);
}

static void *nothing(void *argument) { return argument; }

static void many(void) {
  long sum = 0;
  for (intptr_t i = 0; i < 300; i++) {
    pthread_t thread;
    void *result;
    if (pthread_create(&thread, NULL, nothing, (void *)i) != 0) break;
    pthread_join(thread, &result);
    sum += (long)result;
  }
  printf("300 threads: %ld\n", sum);
}

void test_threads(void) {
  counting();
  queueing();
  in_step();
  ping_pong_and_cancel();
  many();
}
