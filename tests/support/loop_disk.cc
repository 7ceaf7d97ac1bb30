#include "tests/support/loop_disk.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "runtime/io/unique_fd.h"

namespace leoam::testing {
namespace {

std::string failed(const std::string& what) {
  return what + ": " + std::strerror(errno);
}

std::string enter_own_namespace() {
  if (geteuid() != 0) return "only the superuser can mount";
  if (unshare(CLONE_NEWNS) != 0) return failed("unshare");
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return failed("mount --make-rprivate");
  return "";
}

std::string make_private(const std::string& folder) {
  return chmod(folder.c_str(), 0700) == 0 ? "" : failed("chmod");
}

}  // namespace

std::string mount_tmpfs(const std::string& folder, const std::string& options) {
  if (std::string reason = enter_own_namespace(); !reason.empty()) return reason;
  if (mount("tmpfs", folder.c_str(), "tmpfs", 0, options.c_str()) != 0) return failed("mount of a tmpfs");
  return make_private(folder);
}

std::string mount_loop(const std::string& folder, const std::string& image, uint64_t image_bytes,
                       uint32_t sector_bytes) {
  if (std::string reason = enter_own_namespace(); !reason.empty()) return reason;
  const UniqueFd backing(open(image.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!backing.ok() || ftruncate(backing.get(), static_cast<off_t>(image_bytes)) != 0) return failed(image);
  const UniqueFd control(open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!control.ok()) return failed("/dev/loop-control");
  const int number = ioctl(control.get(), LOOP_CTL_GET_FREE);
  if (number < 0) return failed("a free loop device");
  const std::string device_name = "/dev/loop" + std::to_string(number);
  const UniqueFd device(open(device_name.c_str(), O_RDWR | O_CLOEXEC));
  if (!device.ok()) return failed(device_name);
  loop_config config = {};
  config.fd = static_cast<uint32_t>(backing.get());
  config.block_size = sector_bytes;
  config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
  if (ioctl(device.get(), LOOP_CONFIGURE, &config) != 0) return failed("LOOP_CONFIGURE of " + device_name);
  if (std::system(("mkfs.ext4 -q -F -b 4096 " + device_name + " >/dev/null 2>&1").c_str()) != 0)
    return "mkfs.ext4 failed, or is not installed";
  if (mount(device_name.c_str(), folder.c_str(), "ext4", 0, "") != 0)
    return failed("mount of " + device_name);
  return make_private(folder);
}

}  // namespace leoam::testing
