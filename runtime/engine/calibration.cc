#include "runtime/engine/calibration.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "runtime/store/block_buffer.h"
#include "runtime/store/checksum.h"

namespace leoam {
namespace {

constexpr std::string_view kTitle = "leoam calibration 4";
constexpr std::string_view kName = "/calibration";
constexpr uint64_t kFile_bytes = kIoBlock_bytes;
// Beyond every machine: a value outside is damage.
constexpr double kMost = 1e18;

struct Field {
  std::string name;
  double* value = nullptr;
  bool may_be_zero = false;
};

std::vector<Field> fields(Rates& rates) {
  static constexpr const char* kNames[kRateClasses] = {"blocks", "super_blocks", "six_bits", "eight_bits",
                                                       "floats"};
  std::vector<Field> list;
  const auto add = [&list](std::string_view name, double* value, bool may_be_zero = false) {
    Field& field = list.emplace_back();
    field.name = name;
    field.value = value;
    field.may_be_zero = may_be_zero;
  };
  for (size_t i = 0; i < kRateClasses; ++i) {
    add(fmt::format("decode_bytes_per_second.{}", kNames[i]), &rates.matrices[i].decode_bytes_per_second);
    add(fmt::format("prefill_operations_per_second.{}", kNames[i]),
        &rates.matrices[i].prefill_operations_per_second);
  }
  const auto add_attention = [&add](std::string_view name, Rates::Attention& attention) {
    add(fmt::format("{}_attention_byte_s", name), &attention.byte_s, true);
    add(fmt::format("{}_attention_byte_head_s", name), &attention.byte_head_s, true);
  };
  for (size_t codec = 0; codec < kernels::kPageCodecs; ++codec)
    add_attention(kernels::name_of(static_cast<kernels::PageCodec>(codec)), rates.attention[codec]);
  add_attention("int8", rates.int8_attention);
  add("prefill_attention_operations_per_second", &rates.prefill_attention_operations_per_second);
  add("layer_s", &rates.layer_s, true);
  add("disk_read_bytes_per_second", &rates.disk_read_bytes_per_second, true);
  add("disk_few_read_bytes_per_second", &rates.disk_few_read_bytes_per_second, true);
  add("disk_write_bytes_per_second", &rates.disk_write_bytes_per_second, true);
  return list;
}

std::string cpu_name() {
  std::string name;
#if defined(__x86_64__)
  for (unsigned leaf = 0x80000002; leaf <= 0x80000004; ++leaf) {
    unsigned registers[4] = {};
    if (__get_cpuid(leaf, &registers[0], &registers[1], &registers[2], &registers[3]) == 0) break;
    for (const unsigned part : registers)
      for (unsigned shift = 0; shift < 32; shift += 8) name += static_cast<char>(part >> shift & 0xff);
  }
#endif
  std::erase_if(name, [](char c) { return c < ' ' || c > '~'; });
  name.erase(0, std::min(name.find_first_not_of(' '), name.size()));
  name.erase(name.find_last_not_of(' ') + 1);
  return name.empty() ? "unknown CPU" : name;
}

std::string sum_line(std::string_view text) {
  const auto sum = Checksum::of({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  std::string line = "sum ";
  for (const uint8_t byte : sum) line += fmt::format("{:02x}", byte);
  return line + '\n';
}

Status damaged(const std::string& name) {
  return error(ErrorKind::corrupt, "calibration: {} is not what was written", name);
}

Result<std::string> read_text(FileSystem& files, const std::string& path) {
  LEOAM_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file, files.open(path, OpenMode::read_only));
  LEOAM_ASSIGN_OR_RETURN(const BlockBuffer block, BlockBuffer::create(kFile_bytes));
  LEOAM_RETURN_IF_ERROR(file->read_at(0, block.span()));
  const char* text = reinterpret_cast<const char*>(block.data());
  return std::string(text, std::find(text, text + block.bytes(), '\0'));
}

Status write_text(FileSystem& files, const std::string& folder, const std::string& path,
                  const std::string& text) {
  LEOAM_RETURN_IF_ERROR(files.make_private_folder(folder));
  LEOAM_ASSIGN_OR_RETURN(const BlockBuffer block, BlockBuffer::create(kFile_bytes));
  if (text.size() > block.bytes()) return damaged("size");
  std::copy(text.begin(), text.end(), block.data());
  const std::string passing = path + ".new";
  // One that a crash has left.
  (void)files.remove(passing);
  LEOAM_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file, files.open(passing, OpenMode::create));
  Status status = file->write_at(0, block.span());
  if (status.ok()) status = files.rename(passing, path);
  if (!status.ok()) (void)files.remove(passing);
  return status;
}

}  // namespace

RateClass rate_class(kernels::WeightType type) {
  using kernels::WeightType;
  switch (type) {
    case WeightType::f32:
    case WeightType::f16:
    case WeightType::bf16:
      return RateClass::floats;
    case WeightType::q8_0:
      return RateClass::eight_bits;
    case WeightType::q6_k:
      return RateClass::six_bits;
    case WeightType::q2_k:
    case WeightType::q3_k:
    case WeightType::q4_k:
    case WeightType::q5_k:
      return RateClass::super_blocks;
    default:
      return RateClass::blocks;
  }
}

std::string machine_line(const Device& device) {
  return fmt::format("{}, {}, {}, LeoAM {}", cpu_name(), device.info().name, device.info().detail,
                     LEOAM_PROJECT_VERSION);
}

std::string encode_rates(const Rates& rates, const std::string& machine) {
  Rates copy = rates;
  std::string text = fmt::format("{}\nmachine {}\n", kTitle, machine);
  for (const Field& field : fields(copy)) text += fmt::format("{} {:.6e}\n", field.name, *field.value);
  return text + sum_line(text);
}

Result<Rates> decode_rates(const std::string& text, const std::string& machine) {
  const size_t sum = text.rfind("sum ");
  if (sum == std::string::npos || text.substr(sum) != sum_line(std::string_view(text).substr(0, sum)))
    return damaged("the checksum");
  std::string_view rest = std::string_view(text).substr(0, sum);
  const auto next_line = [&rest] {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return line;
  };
  if (next_line() != kTitle) return damaged("the title");
  if (next_line() != "machine " + machine)
    return error(ErrorKind::version, "calibration: it is of another machine or library");
  Rates rates;
  for (const Field& field : fields(rates)) {
    const std::string_view line = next_line();
    if (!line.starts_with(field.name + ' ')) return damaged(field.name);
    const auto [end, code] =
        std::from_chars(line.data() + field.name.size() + 1, line.data() + line.size(), *field.value);
    if (code != std::errc() || end != line.data() + line.size()) return damaged(field.name);
    if (!std::isfinite(*field.value) || *field.value > kMost || *field.value < 0 ||
        (*field.value == 0 && !field.may_be_zero))
      return damaged(field.name);
  }
  if (!rest.empty()) return damaged("the end");
  return rates;
}

Result<Rates> kept_rates(const Device& device, FileSystem& files, const std::string& folder) {
  if (folder.empty()) return Status(ErrorKind::not_found, "calibration: there is no folder for it");
  LEOAM_ASSIGN_OR_RETURN(const std::string text, read_text(files, std::string(folder).append(kName)));
  return decode_rates(text, machine_line(device));
}

Result<Rates> calibrate(Device& device, FileSystem& files, const std::string& folder,
                        const CancelFlag* cancel) {
  Result<Rates> kept = kept_rates(device, files, folder);
  if (kept.ok()) return kept;
  LEOAM_ASSIGN_OR_RETURN(const Rates rates,
                         measure_rates(device, files, folder.empty() ? folder : folder + "/scratch", cancel));
  if (!folder.empty())
    (void)write_text(files, folder, std::string(folder).append(kName),
                     encode_rates(rates, machine_line(device)));
  return rates;
}

}  // namespace leoam
