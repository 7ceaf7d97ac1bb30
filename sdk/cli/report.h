// What `bench --report` and `eval --report` write: the numbers of --json for a person to look at.
#pragma once

#include <string>

#include "common.h"
#include "svg.h"

namespace leoam::cli {

// Of the object that bench --json prints with --context.
std::string bench_page(const Json& result);
// Speed and memory of its cases: the first drawing of the page.
Svg bench_picture(const Json& result);
// Of the object that eval --json prints with --policy.
std::string eval_page(const Json& result);

}  // namespace leoam::cli
