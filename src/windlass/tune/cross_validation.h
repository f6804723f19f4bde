// Stratified folds and scores of classifiers, those of scikit-learn to the last index.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace windlass::tune {

// The fold in 0..folds-1 in which each row is held out: scikit-learn's StratifiedKFold(folds,
// shuffle=True, random_state=seed), index for index. Its shuffle is that of NumPy's RandomState
// (MT19937; bounded numbers by masks and rejection), its classes are numbered by their first rows.
//
// labels: of each row, any integers. A class with fewer rows than folds is missing from some folds;
// that is not an error unless every class is that small.
// Throws Error{kInvalidInput} for fewer than 2 folds, more than rows, or where every class has
// fewer rows than folds.
std::vector<int> StratifiedFolds(std::span<const std::int64_t> labels, int folds,
                                 std::uint32_t seed);

// The macro F1 score: the mean over all classes that stand in either list of F1 = 2 TP / (2 TP + FP
// + FN). Both lists are of the same rows, at least one.
double MacroF1(std::span<const std::int64_t> labels, std::span<const std::int64_t> predicted);

}  // namespace windlass::tune
