// SessionIdentity: what a session file belongs to.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace leoam {

// What every record of a file is bound to.
struct SessionIdentity {
  std::array<uint8_t, 16> model = {};  // of all tensors, hyper-parameters and the tokenizer (Model::identity)
  std::string model_name;              // for messages and `session info`: architecture and name
  uint32_t n_layers = 0;
  uint32_t n_kv_heads = 0;
  uint32_t head_dim = 0;
  uint32_t n_vocab = 0;
  int32_t kv_type = 0;  // kernels::KvType
  uint32_t page_tokens = 0;
  uint32_t piece_tokens = 0;      // pieces decide the last bits of the KV
  std::vector<uint32_t> windows;  // [n_layers], 0: a global layer
  uint32_t page_bytes = 0;

  static constexpr uint32_t kMostLayers = 1024;
  static constexpr uint32_t kMostName_bytes = 1024;
  static constexpr uint32_t kMostPage_bytes = 1u << 30;

  // All that decides the meaning of a page, as one number.
  std::array<uint8_t, 16> geometry() const;
  // Fails with `kind` when a field is out of its limits.
  Status check(ErrorKind kind) const;
  // Fails with unsupported; the message says what differs.
  Status check_same(const SessionIdentity& expected) const;

  std::vector<uint8_t> encode() const;
  // The model is not part of it. Fails with corrupt.
  static Result<SessionIdentity> decode(std::span<const uint8_t> bytes);
};

}  // namespace leoam
