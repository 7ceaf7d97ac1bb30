#include <cstdlib>

#include "runtime/io/file_system.h"

namespace leoam {
namespace {

// The XDG base directory specification ignores paths that are not absolute.
std::string absolute_variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && value[0] == '/' ? value : "";
}

}  // namespace

Result<std::string> default_state_folder() {
  const std::string state = absolute_variable("XDG_STATE_HOME");
  if (!state.empty()) return state + "/leoam";
  const std::string home = absolute_variable("HOME");
  if (!home.empty()) return home + "/.local/state/leoam";
  return error(ErrorKind::not_found,
               "no folder for sessions: neither XDG_STATE_HOME nor HOME is an absolute path");
}

}  // namespace leoam
