// Calibration: how fast this machine computes, reads and writes, measured once and kept in the state folder.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "kernels/page_codec/page_codec_layout.h"
#include "kernels/weight_type.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"
#include "runtime/device/device.h"
#include "runtime/io/file_system.h"

namespace leoam {

// Weight types of one speed are one class.
enum class RateClass : uint32_t { blocks, super_blocks, six_bits, eight_bits, floats };
inline constexpr size_t kRateClasses = 5;
RateClass rate_class(kernels::WeightType type);

// Of the device with all its threads, unless it says otherwise. A rate is > 0, a cost >= 0. Disk rates are 0
// where there is no disk to write to.
struct Rates {
  struct Matrix {
    double decode_bytes_per_second = 0;        // of weights as they stand in a file, one token
    double prefill_operations_per_second = 0;  // a multiplication and an addition are two; 256 tokens
  };
  std::array<Matrix, kRateClasses> matrices;
  // Of one token: seconds for a byte of KV, and for that byte once more for every query head that reads it.
  struct Attention {
    double byte_s = 0;
    double byte_head_s = 0;
  };
  std::array<Attention, kernels::kPageCodecs> attention;  // KV of f16 in each codec
  Attention int8_attention;
  double prefill_attention_operations_per_second = 0;
  double layer_s = 0;                         // of one layer in a pass of one token, beside what is above
  double disk_read_bytes_per_second = 0;      // encrypted pages, many transfers at once
  double disk_few_read_bytes_per_second = 0;  // 4 transfers of 128 KiB at once
  double disk_write_bytes_per_second = 0;     // encrypted pages

  const Matrix& matrix(kernels::WeightType type) const {
    return matrices[static_cast<size_t>(rate_class(type))];
  }
};

// Measures all of it within 5 seconds; takes some 100 MiB meanwhile. `folder` is where the disk tier would
// lie; it is made when it is missing, and without it the disk's rates are 0. Fails with cancelled,
// out_of_memory, device_lost.
Result<Rates> measure_rates(Device& device, FileSystem& files, const std::string& folder,
                            const CancelFlag* cancel);

// What rates hold for: CPU, device, version of the library. One line.
std::string machine_line(const Device& device);

// The text of a kept calibration, and back: fails with corrupt (which line), and with version when it is of
// another machine or library.
std::string encode_rates(const Rates& rates, const std::string& machine);
Result<Rates> decode_rates(const std::string& text, const std::string& machine);

// What is kept in `folder` for this machine. Fails with not_found, corrupt, version, io.
Result<Rates> kept_rates(const Device& device, FileSystem& files, const std::string& folder);

// What is kept in `folder` for this machine, else measured and kept. That it cannot be read or written is no
// failure. `folder` empty: measured without a disk, not kept. Fails as measure_rates does.
Result<Rates> calibrate(Device& device, FileSystem& files, const std::string& folder,
                        const CancelFlag* cancel);

}  // namespace leoam
