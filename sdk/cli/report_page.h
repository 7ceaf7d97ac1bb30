// ReportPage: one HTML file that says something to a person: drawings, and the same numbers as tables. It
// needs nothing else: no network, no scripts, no fonts.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "svg.h"

namespace leoam::cli {

struct ReportTable {
  std::vector<std::string> head;
  std::vector<std::vector<std::string>> rows;
};

// Words are escaped here.
class ReportPage {
 public:
  ReportPage(std::string title, std::string summary)
      : title_(std::move(title)), summary_(std::move(summary)) {}

  void facts(const std::vector<std::pair<std::string, std::string>>& facts);
  void section(const std::string& title, const std::string& note, const std::vector<Svg>& charts,
               const ReportTable& table);
  std::string html() const;

 private:
  const std::string title_, summary_;
  std::string body_;
};

// Refuses, with the reason, a file that could not be written now: before the work that fills it. Throws
// Failure.
void check_writable(const std::string& path);
// The whole content or nothing is there afterwards, whatever happens. Throws Failure.
void write_whole(const std::string& path, const std::string& content);

}  // namespace leoam::cli
