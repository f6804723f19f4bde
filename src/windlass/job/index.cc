#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "windlass/base/error.h"
#include "windlass/base/file.h"
#include "windlass/base/hash.h"
#include "windlass/job/index_internal.h"

namespace windlass::job {
namespace {

constexpr std::size_t kSumDigits = 16;
constexpr std::size_t kFields = 11;
constexpr std::size_t kFewLines = 1000;
constexpr std::size_t kShortestLine = 96;  // about

using Sum = std::array<char, kSumDigits>;

Sum SumOf(std::string_view text) {
  const Hash hash = HashOf(text);
  Sum digits;
  for (std::size_t i = 0; i < kSumDigits; ++i) {
    digits[i] = "0123456789abcdef"[i % 2 == 0 ? hash.bytes[i / 2] >> 4 : hash.bytes[i / 2] & 15];
  }
  return digits;
}

// Without tabs and line ends, which take a line apart.
std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '\\': escaped += "\\\\"; break;
      case '\t': escaped += "\\t"; break;
      case '\n': escaped += "\\n"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

std::string Unescaped(std::string_view text) {
  if (text.find('\\') == text.npos) return std::string(text);
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      plain += text[i];
    } else {
      ++i;
      plain += text[i] == 't' ? '\t' : text[i] == 'n' ? '\n' : text[i];
    }
  }
  return plain;
}

std::string LineOf(const JobSummary& job) {
  std::string line = Escaped(job.id) + "\t" + Escaped(job.kind) + "\t";
  line += JobStateName(job.state);
  for (const std::int64_t number : {job.started_ms, job.finished_ms, job.done, job.total,
                                    job.restarts, std::int64_t{job.failure}}) {
    line += "\t" + std::to_string(number);
  }
  line += "\t" + Escaped(job.error) + "\t" + Escaped(job.out);
  const Sum sum = SumOf(line);
  return std::string(sum.begin(), sum.end()) + "\t" + line + "\n";
}

// Says whether the line is whole.
bool ParseLine(std::string_view line, JobSummary& job) {
  if (line.size() <= kSumDigits + 1 || line[kSumDigits] != '\t') return false;
  const std::string_view sum = line.substr(0, kSumDigits);
  line.remove_prefix(kSumDigits + 1);
  if (!std::ranges::equal(SumOf(line), sum)) return false;
  std::array<std::string_view, kFields> fields;
  for (std::size_t i = 0; i < kFields; ++i) {
    const std::size_t tab = i + 1 < kFields ? line.find('\t') : line.size();
    if (tab == line.npos) return false;
    fields[i] = line.substr(0, tab);
    line.remove_prefix(std::min(tab + 1, line.size()));
  }
  const auto number = [&fields](std::size_t i) {
    std::int64_t value = 0;
    std::from_chars(fields[i].data(), fields[i].data() + fields[i].size(), value);
    return value;
  };
  const auto state = FindJobState(fields[2]);
  if (!state) return false;
  job.id = Unescaped(fields[0]);
  job.kind = Unescaped(fields[1]);
  job.state = *state;
  job.started_ms = number(3);
  job.finished_ms = number(4);
  job.done = number(5);
  job.total = number(6);
  job.restarts = number(7);
  job.failure = static_cast<int>(number(8));
  job.error = Unescaped(fields[9]);
  job.out = Unescaped(fields[10]);
  return true;
}

}  // namespace

std::vector<JobSummary> JobIndex::Read() {
  std::vector<JobSummary> jobs;
  std::string text;
  try {
    text = ReadFile(file_);
  } catch (const Error&) {  // none yet, or not readable: the folders say it all
    return jobs;
  }
  jobs.reserve(text.size() / kShortestLine);
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (JobSummary job; ParseLine(rest.substr(0, end), job)) jobs.push_back(std::move(job));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++lines_;
  }
  // Jobs end about in the order in which they began: mostly there is nothing to sort.
  if (!std::ranges::is_sorted(jobs, {}, &JobSummary::id)) {
    std::ranges::sort(jobs, {}, &JobSummary::id);
  }
  // Not std::ranges::unique: clang 14, of the fuzz targets, does not compile what it returns.
  const auto same = [](const JobSummary& a, const JobSummary& b) { return a.id == b.id; };
  jobs.erase(std::unique(jobs.begin(), jobs.end(), same), jobs.end());
  return jobs;
}

void JobIndex::Append(const std::vector<const JobSummary*>& ended) const {
  std::string lines;
  for (const JobSummary* job : ended) lines += LineOf(*job);
  if (lines.empty()) return;
  const int fd = ::open(file_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  try {
    WriteAll(fd, lines, file_);
  } catch (const Error&) {  // half a line does not have the right sum
  }
  ::close(fd);
}

void JobIndex::Tidy(const std::vector<JobSummary>& ended) const {
  if (lines_ <= 2 * ended.size() + kFewLines) return;
  std::string lines;
  for (const JobSummary& job : ended) lines += LineOf(job);
  try {
    WriteFileAtomically(file_, lines);
  } catch (const Error&) {  // it stays as it was
  }
}

}  // namespace windlass::job
