#include "runtime/io/transfer.h"

namespace leoam {

Status check_transfer(uint64_t offset_bytes, const void* data, uint64_t bytes) {
  if (((offset_bytes | bytes | reinterpret_cast<uintptr_t>(data)) & (kIoBlock_bytes - 1)) == 0) return {};
  return error(ErrorKind::invalid_argument,
               "a transfer of {} bytes at offset {} and address {}: expected multiples of {}", bytes,
               offset_bytes, data, kIoBlock_bytes);
}

Status transfer(const IoRequest& request) {
  if (request.operation == IoOperation::read)
    return request.file->read_at(request.offset_bytes, {request.data, request.bytes});
  return request.file->write_at(request.offset_bytes, {request.data, request.bytes});
}

}  // namespace leoam
