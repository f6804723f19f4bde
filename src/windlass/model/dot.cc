#include <algorithm>
#include <cmath>

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#endif

#include "windlass/model/dot_internal.h"

namespace windlass::model {
namespace {

double AddInHalves(const double* lanes) {
  const double a = lanes[0] + lanes[4];
  const double b = lanes[1] + lanes[5];
  const double c = lanes[2] + lanes[6];
  const double d = lanes[3] + lanes[7];
  return (a + c) + (b + d);
}

#if defined(__AVX2__) && defined(__FMA__)

double DotVectors(const double* x, const double* w, std::int64_t columns) {
  __m256d low = _mm256_setzero_pd();   // lanes 0 to 3
  __m256d high = _mm256_setzero_pd();  // lanes 4 to 7
  std::int64_t i = 0;
  for (; i + kLanes <= columns; i += kLanes) {
    low = _mm256_fmadd_pd(_mm256_loadu_pd(x + i), _mm256_loadu_pd(w + i), low);
    high = _mm256_fmadd_pd(_mm256_loadu_pd(x + i + 4), _mm256_loadu_pd(w + i + 4), high);
  }
  if (i < columns) {
    alignas(32) double rest[kLanes] = {};
    std::copy(x + i, x + columns, rest);
    low = _mm256_fmadd_pd(_mm256_load_pd(rest), _mm256_loadu_pd(w + i), low);
    high = _mm256_fmadd_pd(_mm256_load_pd(rest + 4), _mm256_loadu_pd(w + i + 4), high);
  }
  alignas(32) double lanes[4];
  _mm256_store_pd(lanes, _mm256_add_pd(low, high));
  return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
}

#endif

}  // namespace

double DotPortable(const double* x, const double* w, std::int64_t columns) {
  double lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= columns; i += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] = std::fma(x[i + lane], w[i + lane], lanes[lane]);
    }
  }
  if (i < columns) {  // zeros stand behind both, so that every lane takes the same steps
    double rest[kLanes] = {};
    std::copy(x + i, x + columns, rest);
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] = std::fma(rest[lane], w[i + lane], lanes[lane]);
    }
  }
  return AddInHalves(lanes);
}

double Dot(const double* x, const double* w, std::int64_t columns) {
#if defined(__AVX2__) && defined(__FMA__)
  return DotVectors(x, w, columns);
#else
  return DotPortable(x, w, columns);
#endif
}

}  // namespace windlass::model
