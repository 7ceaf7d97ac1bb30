#include "c_api/src/describe.h"

#include <unistd.h>

#include <cstring>
#include <string_view>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace leoam::c_api {

namespace {

// The processor's own name for itself; empty when it has none.
std::string cpu_name() {
#if defined(__x86_64__)
  char name[49] = {};
  for (unsigned leaf = 0; leaf < 3; ++leaf) {
    unsigned words[4] = {};
    if (!__get_cpuid(0x80000002u + leaf, &words[0], &words[1], &words[2], &words[3])) return {};
    std::memcpy(name + 16 * leaf, words, sizeof words);
  }
  const std::string_view text(name);
  const size_t begin = text.find_first_not_of(' ');
  return begin == std::string_view::npos ? std::string() : std::string(text.substr(begin));
#else
  return {};
#endif
}

std::string system_bytes(int pages_name) {
  const long pages = sysconf(pages_name);
  const long page_bytes = sysconf(_SC_PAGESIZE);
  if (pages < 0 || page_bytes < 0) return "unknown";
  return fmt::format("{}", static_cast<uint64_t>(pages) * static_cast<uint64_t>(page_bytes));
}

std::string cpu_reason(const Engine& engine, const EngineOptions& options) {
  if (options.cpu_level) return "asked for by the instance's options";
  const bool best =
      engine.device_info().detail.starts_with(kernels::cpu_level_name(kernels::best_cpu_level()));
  return best ? "the best of this machine" : "asked for by LEOAM_CPU";
}

using Facts = std::vector<std::pair<std::string, std::string>>;

std::string limit(uint64_t bytes) {
  return bytes == UINT64_MAX ? "none" : fmt::format("{}", bytes);
}

// "registered buffers" -> "io.registered_buffers"
std::string io_key(std::string name) {
  for (char& c : name) c = c == ' ' ? '_' : static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return "io." + name;
}

void add_tiers(Engine& engine, const EngineOptions& options, Facts* facts) {
  const EngineStatistics now = engine.statistics();
  facts->emplace_back("kv.host_budget_bytes", limit(now.host_kv_budget_bytes));
  facts->emplace_back("kv.disk_budget_bytes", limit(now.disk_kv_budget_bytes));
  facts->emplace_back("kv.disk_write_cap_bytes", limit(now.disk_write_cap_bytes));
  facts->emplace_back("kv.scratch", options.plaintext_scratch
                                        ? "plaintext with checksums, as the instance's options ask for"
                                        : "encrypted with a key that only memory holds");
  const std::string& folder = engine.state_folder();
  facts->emplace_back("state.folder",
                      folder.empty() ? "none: neither XDG_STATE_HOME nor HOME is an absolute path" : folder);
  for (const FileSystem::Fact& fact : engine.io_facts()) facts->emplace_back(io_key(fact.name), fact.value);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> describe(Engine& engine, const EngineOptions& options) {
  const leoam_build_info build = build_info();
  const auto text = [](const leoam_string& view) {
    return std::string(view.data, static_cast<size_t>(view.size));
  };
  std::vector<std::pair<std::string, std::string>> facts;
  facts.emplace_back("library.version", text(build.version));
  facts.emplace_back("library.api_version", fmt::format("{}", build.api_version));
  facts.emplace_back("library.build", text(build.build));
  facts.emplace_back("library.compiler", text(build.compiler));
  facts.emplace_back("library.file", text(build.file_path));
  facts.emplace_back("cpu.name", cpu_name());
  facts.emplace_back("cpu.best", kernels::cpu_level_name(kernels::best_cpu_level()));
  facts.emplace_back("cpu.chosen", engine.device_info().detail);
  facts.emplace_back("cpu.reason", cpu_reason(engine, options));
  facts.emplace_back("device.name", engine.device_info().name);
  facts.emplace_back("device.reason", "this build computes on the CPU only");
  facts.emplace_back("threads", fmt::format("{}", engine.n_threads()));
  facts.emplace_back("memory.total_bytes", system_bytes(_SC_PHYS_PAGES));
  facts.emplace_back("memory.free_bytes", system_bytes(_SC_AVPHYS_PAGES));
  add_tiers(engine, options, &facts);
  return facts;
}

}  // namespace leoam::c_api
