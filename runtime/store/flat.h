// FlatBytes: the bytes of a FlatBuffer from outside: at an address that its numbers need, and verified.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "runtime/base/aligned_buffer.h"

namespace leoam {

// The verifier proves that a list of structs is inside the buffer, and not that its numbers are where the
// processor wants them. A list that is missing or empty is in order.
template <class Struct>
bool is_aligned(const flatbuffers::Vector<const Struct*>* list) {
  return !list || list->size() == 0 || reinterpret_cast<uintptr_t>(list->Data()) % alignof(Struct) == 0;
}

class FlatBytes {
 public:
  // What our schemas need and no more, so that a hostile buffer cannot make the verifier work long.
  static constexpr flatbuffers::uoffset_t kMostDepth = 4;
  static constexpr flatbuffers::uoffset_t kMostTables = 4096;

  // Fails with out_of_memory.
  static Result<FlatBytes> create(size_t bytes) {
    FlatBytes flat;
    LEOAM_ASSIGN_OR_RETURN(flat.buffer_, AlignedBuffer::allocate(bytes));
    flat.bytes_ = bytes;
    return flat;
  }
  static Result<FlatBytes> copy(std::span<const uint8_t> bytes) {
    LEOAM_ASSIGN_OR_RETURN(FlatBytes flat, create(bytes.size()));
    if (!bytes.empty()) std::memcpy(flat.buffer_.data(), bytes.data(), bytes.size());
    return flat;
  }
  std::span<uint8_t> span() { return {buffer_.data(), bytes_}; }

  // Null unless the bytes are, by form, a table of this schema. What the numbers mean is for the caller to
  // check.
  template <class Table>
  const Table* root(const char* identifier) const {
    if (bytes_ < 8) return nullptr;
    flatbuffers::Verifier verifier(buffer_.data(), bytes_, kMostDepth, kMostTables);
    if (!verifier.VerifyBuffer<Table>(identifier)) return nullptr;
    return flatbuffers::GetRoot<Table>(buffer_.data());
  }

 private:
  AlignedBuffer buffer_;
  size_t bytes_ = 0;
};

}  // namespace leoam
