// How fast the disk of a folder can be read now: the floor of decoding from it.
#pragma once

#include <cstdint>
#include <string>

namespace leoam::cli {

class DiskRate {
 public:
  // A file without a name in `folder`, large enough to be no accident of a cache. Throws Failure.
  explicit DiskRate(const std::string& folder);
  DiskRate(const DiskRate&) = delete;
  DiskRate& operator=(const DiskRate&) = delete;
  ~DiskRate();
  // Bytes a second of reading it once, past the page cache where the file system lets us.
  double measure();

 private:
  int fd_ = -1;
};

}  // namespace leoam::cli
