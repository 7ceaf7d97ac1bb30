// How scoring divides its scratch memory. The same for every instruction set.
#pragma once

#include "kernels/key_codes/key_code_layout.h"

namespace leoam::kernels {

// Channels whose codes are multiplied and summed together.
constexpr uint32_t kQuad_channels = 4;
// Query heads computed together; larger groups are cut into equal parts.
constexpr uint32_t kMaxScoreHeads = 4;

// Byte offsets, multiples of 64.
struct KeyCodeScratch {
  size_t weights;  // i8 [group][quads][16 pages][4 channels]
  size_t units;    // f32 [group][16 pages]: what a product of weight and code stands for
  size_t bases;    // f32 [group][16 pages]
  size_t factors;  // f32 [n_coded][kMaxScoreHeads][16 pages]
  size_t codes;    // [quads][strips][16 pages][4 bytes of a strip][4 channels]
  size_t bytes;
};

[[maybe_unused]] static inline KeyCodeScratch key_code_scratch(const KeyCodeLayout& layout, uint32_t group) {
  const size_t n_quads = (size_t{layout.n_coded} + kQuad_channels - 1) / kQuad_channels;
  KeyCodeScratch scratch;
  scratch.weights = 0;
  scratch.units = scratch.weights + group * n_quads * 64;
  scratch.bases = scratch.units + size_t{group} * 64;
  scratch.factors = scratch.bases + size_t{group} * 64;
  scratch.codes = scratch.factors + size_t{layout.n_coded} * kMaxScoreHeads * 64;
  scratch.bytes = scratch.codes + n_quads * layout.n_strips() * 256;
  return scratch;
}

}  // namespace leoam::kernels
