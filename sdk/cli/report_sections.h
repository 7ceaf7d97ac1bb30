// Sections that several reports have.
#pragma once

#include <string>
#include <vector>

#include "common.h"
#include "report_page.h"

namespace leoam::cli {

// A number of a report; "-" where there is none.
std::string figure(const Json& value, double factor = 1);
double number(const Json& value);  // NaN where there is none

struct NamedRow {
  std::string name;
  const Json* row;
};
// Heat maps of what was attended to and captured, one pair a row; nothing where no row knows.
void attention_section(ReportPage& page, const std::vector<NamedRow>& rows);
// Machine, build and model, as far as the result tells.
void facts_section(ReportPage& page, const Json& result);

}  // namespace leoam::cli
