#include "secret.h"

#include <argon2.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "common.h"

namespace leoam::cli {
namespace {

constexpr size_t kMostSecret_bytes = 1024;
constexpr size_t kSalt_bytes = 16;

// RFC 9106, section 4: the second recommended set.
struct Cost {
  unsigned memory_kib = 1u << 16;
  unsigned passes = 3;
  unsigned lanes = 4;
};

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  explicit operator bool() const { return fd_ >= 0; }
  int get() const { return fd_; }

 private:
  int fd_;
};

Secret shortened(const Secret& secret, size_t size) {
  Secret out(size);
  std::copy_n(secret.bytes().begin(), size, out.bytes().begin());
  return out;
}

// All of a small file.
Secret read_small(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) throw Failure("cannot read " + path);
  Secret buffer(kMostSecret_bytes + 1);
  size_t size = 0;
  for (ssize_t n = 1; n != 0 && size < buffer.bytes().size(); size += static_cast<size_t>(n)) {
    n = read(file.get(), buffer.bytes().data() + size, buffer.bytes().size() - size);
    if (n < 0) throw Failure("cannot read " + path);
  }
  if (size > kMostSecret_bytes)
    throw Failure(path + ": expected at most " + std::to_string(kMostSecret_bytes) + " bytes");
  return shortened(buffer, size);
}

Secret first_line(const Secret& text) {
  const auto bytes = text.bytes();
  size_t size = static_cast<size_t>(std::find(bytes.begin(), bytes.end(), uint8_t{'\n'}) - bytes.begin());
  if (size > 0 && bytes[size - 1] == '\r') --size;
  return shortened(text, size);
}

int digit(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// False when it is not out.size() bytes in hexadecimal digits.
bool parse_hex(std::span<const uint8_t> text, std::span<uint8_t> out) {
  if (text.size() != 2 * out.size()) return false;
  for (size_t i = 0; i < out.size(); ++i) {
    const int high = digit(text[2 * i]);
    const int low = digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<uint8_t>(high * 16 + low);
  }
  return true;
}

struct Salt {
  Cost cost;
  std::array<uint8_t, kSalt_bytes> bytes{};
};

// "argon2id v=19 m=65536 t=3 p=4 salt=<32 digits>"
Salt read_salt(const std::string& path) {
  const Secret line = first_line(read_small(path));
  const std::string text(line.bytes().begin(), line.bytes().end());
  Salt salt;
  char digits[2 * kSalt_bytes + 1] = {};
  const int n = std::sscanf(text.c_str(), "argon2id v=19 m=%9u t=%9u p=%9u salt=%32s", &salt.cost.memory_kib,
                            &salt.cost.passes, &salt.cost.lanes, digits);
  const std::span<const uint8_t> hex(reinterpret_cast<const uint8_t*>(digits), strlen(digits));
  const Cost& cost = salt.cost;
  // Bounds of what an honest file asks for.
  if (n != 4 || !parse_hex(hex, salt.bytes) || cost.lanes < 1 || cost.lanes > 64 ||
      cost.memory_kib < 8 * cost.lanes || cost.memory_kib > 4u << 20 || cost.passes < 1 || cost.passes > 100)
    throw Failure(path + ": not the salt of a passphrase");
  return salt;
}

Salt make_salt(const std::string& path) {
  Salt salt;
  if (getrandom(salt.bytes.data(), salt.bytes.size(), 0) != static_cast<ssize_t>(salt.bytes.size()))
    throw Failure("the system gives no random bytes");
  std::array<char, 160> text{};
  int size =
      std::snprintf(text.data(), text.size(), "argon2id v=19 m=%u t=%u p=%u salt=", salt.cost.memory_kib,
                    salt.cost.passes, salt.cost.lanes);
  for (const uint8_t byte : salt.bytes)
    size += std::snprintf(text.data() + size, text.size() - static_cast<size_t>(size), "%02x", byte);
  text[static_cast<size_t>(size++)] = '\n';
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  // Without it the session cannot be opened again: it is on the disk first.
  const std::string folder = path.substr(0, path.find_last_of('/') + 1);
  const Descriptor place(open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file || !place || write(file.get(), text.data(), static_cast<size_t>(size)) != size ||
      fsync(file.get()) != 0 || fsync(place.get()) != 0)
    throw Failure("cannot write " + path);
  return salt;
}

// The terminal without echo, for a scope.
class Silence {
 public:
  explicit Silence(int fd) : fd_(fd) {
    if (tcgetattr(fd_, &before_) != 0) throw Failure("cannot ask for a passphrase: this is no terminal");
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    quiet.c_lflag |= ICANON;
    tcsetattr(fd_, TCSAFLUSH, &quiet);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
  ~Silence() { tcsetattr(fd_, TCSAFLUSH, &before_); }

 private:
  int fd_;
  termios before_{};
};

void say(int fd, const std::string& text) {
  if (write(fd, text.data(), text.size()) < 0) throw Failure("cannot write to the terminal");
}

Secret ask_once(int fd, const std::string& question) {
  say(fd, question + ": ");
  Secret buffer(kMostSecret_bytes);
  ssize_t n = 0;
  {
    const Silence silence(fd);
    n = read(fd, buffer.bytes().data(), buffer.bytes().size());
  }
  say(fd, "\n");
  if (n <= 0) throw Failure("there is no passphrase");
  return first_line(shortened(buffer, static_cast<size_t>(n)));
}

}  // namespace

Secret::~Secret() {
  if (!bytes_.empty()) explicit_bzero(bytes_.data(), bytes_.size());
}

Secret read_key_file(const std::string& path) {
  Secret content = read_small(path);
  if (content.bytes().size() == LEOAM_KEY_BYTES) return content;
  Secret key(LEOAM_KEY_BYTES);
  const Secret line = first_line(content);
  if (parse_hex(line.bytes(), key.bytes())) return key;
  throw Failure(path + ": expected a key of 32 bytes, or 64 hexadecimal digits");
}

Secret read_passphrase_file(const std::string& path) {
  Secret passphrase = first_line(read_small(path));
  if (passphrase.bytes().empty()) throw Failure(path + ": its first line is empty");
  return passphrase;
}

Secret ask_passphrase(const std::string& question, bool twice) {
  const Descriptor terminal(open("/dev/tty", O_RDWR | O_CLOEXEC));
  if (!terminal) throw Failure("there is no terminal to ask for a passphrase on");
  Secret passphrase = ask_once(terminal.get(), question);
  if (passphrase.bytes().empty()) throw Failure("the passphrase is empty");
  if (twice) {
    const Secret again = ask_once(terminal.get(), "The same again");
    if (!std::ranges::equal(passphrase.bytes(), again.bytes())) throw Failure("the passphrases differ");
  }
  return passphrase;
}

Secret derive_key(const Secret& passphrase, const std::string& salt_file, bool create) {
  const bool missing = access(salt_file.c_str(), F_OK) != 0;
  const Salt salt = missing && create ? make_salt(salt_file) : read_salt(salt_file);
  Secret key(LEOAM_KEY_BYTES);
  const int code = argon2id_hash_raw(salt.cost.passes, salt.cost.memory_kib, salt.cost.lanes,
                                     passphrase.bytes().data(), passphrase.bytes().size(), salt.bytes.data(),
                                     salt.bytes.size(), key.bytes().data(), key.bytes().size());
  if (code != ARGON2_OK) throw Failure(std::string("cannot derive a key: ") + argon2_error_message(code));
  return key;
}

}  // namespace leoam::cli
