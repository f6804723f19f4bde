#include "windlass/base/student.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

namespace windlass {
namespace {

TEST(Student, QuantilesOfTables) {
  EXPECT_GE(Student95(1), 12.706);
  EXPECT_NEAR(Student95(3), 3.182, 0.003 * 3.182);
  EXPECT_NEAR(Student95(10), 2.228, 0.001);
  EXPECT_NEAR(Student95(1e9), 1.959964, 1e-6);
  EXPECT_EQ(Student95(0.5), std::numeric_limits<double>::infinity());
}

TEST(Student, TailsInClosedForm) {
  for (const double t : {1e-8, 0.01, 0.5, 1.0, 3.0, 40.0, 1e5}) {
    const double one = 1 - 2 / std::numbers::pi * std::atan(t);
    EXPECT_NEAR(StudentTail(t, 1), one, 1e-12 + 1e-9 * one) << t;
    const double two = 2 / ((2 + t * t) * (1 + t / std::sqrt(2 + t * t)));
    EXPECT_NEAR(StudentTail(t, 2), two, 1e-12 * two + 1e-14) << t;
    const double normal = std::erfc(t / std::sqrt(2));
    EXPECT_NEAR(StudentTail(t, std::numeric_limits<double>::infinity()), normal,
                1e-6 * normal + 1e-16)
        << t;
  }
}

// Tables, and the density integrated by Simpson's rule.
TEST(Student, TailsOfTables) {
  EXPECT_NEAR(StudentTail(2.228138852, 10), 0.05, 1e-9);
  EXPECT_NEAR(StudentTail(2.0, 4.5), 0.108257907, 1e-9);
  EXPECT_NEAR(StudentTail(1.962339081, 1000), 0.05, 1e-9);
}

TEST(Student, TailAtTheQuantileIsFivePerCent) {
  for (const double freedom : {1.0, 2.0, 5.0, 17.5, 300.0, 1e5, 1e7}) {
    EXPECT_NEAR(StudentTail(Student95(freedom), freedom), 0.05, 3e-4) << freedom;
  }
}

TEST(Student, NothingToJudgeByIsNoEvidence) {
  EXPECT_EQ(StudentTail(100, 0), 1);
  EXPECT_EQ(StudentTail(std::nan(""), 5), 1);
  EXPECT_EQ(StudentTail(0, 5), 1);
  EXPECT_EQ(StudentTail(std::numeric_limits<double>::infinity(), 5), 0);
}

}  // namespace
}  // namespace windlass
