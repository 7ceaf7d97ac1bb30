#include "kernels/key_codes/key_code_scratch.h"

#include "kernels/key_codes/key_codes.h"

namespace leoam::kernels {

size_t key_code_scratch_bytes(const KeyCodeLayout& layout, uint32_t group) {
  return key_code_scratch(layout, group).bytes;
}

}  // namespace leoam::kernels
