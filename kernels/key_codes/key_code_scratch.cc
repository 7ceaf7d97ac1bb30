#include "kernels/key_codes/key_code_scratch.h"

#include "kernels/key_codes/key_codes.h"

namespace leoam::kernels {

size_t key_code_scratch_bytes(const KeyCodeLayout& layout, uint32_t group, uint32_t n_channels) {
  return key_code_scratch(layout, group, n_channels).bytes;
}

}  // namespace leoam::kernels
