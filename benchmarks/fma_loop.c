// The control of the scaling benchmark: fused multiply-adds in registers, nothing else. What it
// gains from a second thread is what this machine has to give.
//   fma_loop THREADS ROUNDS      prints {"wall_s": .., "cpu_s": .., "result": ..}
// ROUNDS is the whole work, divided among the threads.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { kMostThreads = 256, kChains = 12, kLanes = 4 };

typedef double Lanes __attribute__((vector_size(kLanes * sizeof(double))));

typedef struct {
  long rounds;
  double result;
} Share;

static void* Work(void* argument) {
  Share* share = argument;
  Lanes chain[kChains];
  for (int c = 0; c < kChains; ++c) chain[c] = (Lanes){c + 1.0, c + 2.0, c + 3.0, c + 4.0};
  const Lanes factor = {0.999999, 0.999998, 0.999997, 0.999996};
  const Lanes term = {1e-6, 2e-6, 3e-6, 4e-6};
  for (long round = 0; round < share->rounds; ++round) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) chain[c] = chain[c] * factor + term;  // -ffp-contract=fast
  }
  Lanes sum = {0};
  for (int c = 0; c < kChains; ++c) sum += chain[c];
  share->result = sum[0] + sum[1] + sum[2] + sum[3];
  return NULL;
}

static double Seconds(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

int main(int argc, char** argv) {
  const long threads = argc == 3 ? atol(argv[1]) : 0;
  const long rounds = argc == 3 ? atol(argv[2]) : 0;
  if (threads < 1 || threads > kMostThreads || rounds < 1) {
    fprintf(stderr, "usage: fma_loop THREADS ROUNDS, with 1 to %d threads\n", kMostThreads);
    return 2;
  }
  pthread_t thread[kMostThreads];
  Share share[kMostThreads];
  const double wall = Seconds(CLOCK_MONOTONIC);
  const double cpu = Seconds(CLOCK_PROCESS_CPUTIME_ID);
  for (long t = 0; t < threads; ++t) {
    share[t].rounds = rounds * (t + 1) / threads - rounds * t / threads;
    if (pthread_create(&thread[t], NULL, Work, &share[t]) != 0) {
      fprintf(stderr, "fma_loop: cannot start thread %ld\n", t);
      return 1;
    }
  }
  double result = 0;
  for (long t = 0; t < threads; ++t) {
    pthread_join(thread[t], NULL);
    result += share[t].result;
  }
  printf("{\"wall_s\": %.9f, \"cpu_s\": %.9f, \"result\": %.17g}\n",
         Seconds(CLOCK_MONOTONIC) - wall, Seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, result);
  return 0;
}
