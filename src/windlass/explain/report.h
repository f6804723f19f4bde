// The explain report: attributions as one self-contained HTML page (web/) to look at.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace windlass::explain {

// One player as the page shows it.
struct ReportGroup {
  std::string name;
  std::vector<std::string> columns;
  std::vector<std::string> categories;  // labels if the values are category codes, else empty
};

// Cohorts of rows: what was asked for, over all rows. No names: nothing was.
struct ReportCohorts {
  std::string by;                  // the column or group
  std::vector<std::string> names;  // of cohorts that have rows
  std::vector<std::int64_t> rows;  // [cohorts]
  std::vector<double> prediction;  // [outputs, cohorts]: the mean, link space
  std::vector<double> mean_abs;    // [outputs, cohorts, groups]: mean |phi|
  std::vector<double> mean;        // [outputs, cohorts, groups]: mean phi
  std::vector<double> half_width;  // [outputs, cohorts, groups]: of mean_abs; exact methods: empty
  std::vector<std::int32_t> member;  // [shown]: the cohort of each row of the page
};

// What the page shows. "link space" is where attributions add up: log-odds for link "logit", the
// model's own output for "identity". NaN and infinities are allowed in every array of numbers; the
// page leaves out what cannot be drawn and says so.
struct ReportData {
  std::string windlass_version;
  std::string model;                   // how the user named it
  std::string data;                    // how the user named it
  std::string link;                    // "identity" or "logit"
  std::string method;                  // the algorithm's name
  std::string reason;                  // why that one
  bool margin = false;                 // explained: the model's margin instead of its output
  std::vector<std::string> notes;      // what a reader should know, in sentences without ends
  std::int64_t rows = 0;               // rows explained in all; the page may hold a sample of them
  std::int64_t model_evaluations = 0;  // rows passed to the model's Predict
  std::vector<std::string> outputs;    // at least one
  std::vector<ReportGroup> groups;
  std::vector<double> importance;    // [outputs, groups]: mean |phi| over all `rows`
  std::vector<double> interactions;  // [outputs, pairs]: mean |interaction|; empty: none were made
  std::vector<std::int64_t> row;     // [shown]: 0-based row numbers, ascending
  std::vector<double> base_value;    // [outputs], link space
  std::vector<double> prediction;    // [shown, outputs], link space
  std::vector<double> phi;           // [shown, outputs, groups], link space
  std::vector<double> value;         // [shown, groups]: a number, or a category's index; NaN: none
  // Of methods that sample, else empty: half widths of 95 % intervals, and how many of a row's
  // largest attributions stand in an order that is certain.
  std::vector<double> importance_half_width;  // [outputs, groups]
  std::vector<double> half_width;             // [shown, outputs, groups], positive or zero
  std::vector<std::int32_t> ranked;           // [shown, outputs]
  ReportCohorts cohorts;
};

// Returns the whole page, in UTF-8. Equal data gives equal bytes. Text is only ever shown as text,
// whatever it holds; bytes that are not UTF-8 are shown as U+FFFD. phi and value are stored in
// single precision where that keeps them to seven digits, so the page has about
// 5.4 * shown * groups * (outputs + 1) bytes, half widths half as many as phi again, as they are
// rounded up to two or three digits; callers choose `shown` accordingly.
//
// Throws Error{kInternal} naming the field when a shape or the link is not as stated above.
std::string RenderReport(const ReportData& data);

}  // namespace windlass::explain
