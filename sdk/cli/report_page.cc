#include "report_page.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "common.h"

namespace leoam::cli {
namespace {

constexpr std::string_view kStyle =
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif;margin:0 "
    "auto;"
    "max-width:820px;padding:24px 20px 60px;background:#fff;color:#1b1f24}h1{font-size:26px;margin:8px 0}"
    "h2{font-size:19px;margin:44px 0 4px}p{margin:4px 0 14px}.note{color:#57606a}"
    "figure{margin:12px 0;overflow-x:auto}svg{max-width:100%;height:auto}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:2px "
    "16px;font-size:14px}dt{color:#57606a}dd{margin:0}"
    "details{margin:10px 0}table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}"
    ".wide{overflow-x:auto}th,td{padding:3px 10px;border-bottom:1px solid "
    "#d8dee4;text-align:right;white-space:nowrap}"
    "th:first-child,td:first-child{text-align:left}summary{cursor:pointer;font-size:14px}"
    "@media(prefers-color-scheme:dark){body{background:#161b22;color:#e6edf3}.note,dt{color:#9aa5b1}"
    "th,td{border-color:#343b44}}";

std::string element(std::string_view name, std::string_view words, std::string_view classes = {}) {
  std::string html = "<" + std::string(name);
  if (!classes.empty()) html += " class=\"" + std::string(classes) + "\"";
  return html + ">" + escape_xml(words) + "</" + std::string(name) + ">";
}

[[noreturn]] void refuse(const std::string& path, const std::string& reason) {
  throw Failure("cannot write " + path + ": " + reason);
}

std::filesystem::path folder_of(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? std::filesystem::path(".") : folder;
}

}  // namespace

void ReportPage::facts(const std::vector<std::pair<std::string, std::string>>& facts) {
  body_ += "<details><summary>Measured with</summary><dl>";
  for (const auto& [name, value] : facts) body_ += element("dt", name) + element("dd", value);
  body_ += "</dl></details>\n";
}

void ReportPage::section(const std::string& title, const std::string& note, const std::vector<Svg>& charts,
                         const ReportTable& table) {
  body_ += "<section>" + element("h2", title) + element("p", note, "note");
  for (const Svg& chart : charts) body_ += "<figure>" + chart.inlined() + "</figure>\n";
  if (!table.rows.empty()) {
    body_ += "<details><summary>The numbers</summary><div class=\"wide\"><table><thead><tr>";
    for (const std::string& head : table.head) body_ += element("th", head);
    body_ += "</tr></thead><tbody>";
    for (const auto& row : table.rows) {
      body_ += "<tr>";
      for (const std::string& cell : row) body_ += element("td", cell);
      body_ += "</tr>\n";
    }
    body_ += "</tbody></table></div></details>";
  }
  body_ += "</section>\n";
}

std::string ReportPage::html() const {
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>" +
         element("title", title_) + "<style>" + std::string(kStyle) + drawing_style() +
         "</style></head><body>\n" + element("h1", title_) + element("p", summary_) + body_ +
         "</body></html>\n";
}

void check_writable(const std::string& path) {
  const std::filesystem::path folder = folder_of(path);
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) refuse(path, "there is no folder " + folder.string());
  if (access(folder.c_str(), W_OK | X_OK) != 0) refuse(path, std::strerror(errno));
  if (std::filesystem::exists(path, error) && !std::filesystem::is_regular_file(path, error))
    refuse(path, "it is no file");
}

void write_whole(const std::string& path, const std::string& content) {
  check_writable(path);
  // Beside its destination, so that the last step is one rename.
  std::string part = path + ".XXXXXX";
  const int fd = mkstemp(part.data());
  if (fd < 0) refuse(path, std::strerror(errno));
  int failure = 0;
  for (size_t done = 0; done < content.size() && failure == 0;) {
    const ssize_t n = write(fd, content.data() + done, content.size() - done);
    if (n < 0 && errno != EINTR) failure = errno;
    if (n > 0) done += static_cast<size_t>(n);
  }
  const mode_t mask = umask(0);
  umask(mask);
  if (failure == 0 && (fchmod(fd, 0666 & ~mask) != 0 || fsync(fd) != 0)) failure = errno;
  if (close(fd) != 0 && failure == 0) failure = errno;
  if (failure == 0 && rename(part.c_str(), path.c_str()) != 0) failure = errno;
  if (failure == 0) return;
  unlink(part.c_str());
  refuse(path, std::strerror(failure));
}

}  // namespace leoam::cli
