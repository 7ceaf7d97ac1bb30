// JournalPipe: what a child that will be killed tells its parent of its commits.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace leoam::testing {

// Lists of tokens, each as it is attempted or acknowledged.
template <class Token>
class JournalPipe {
 public:
  using Tokens = std::vector<Token>;
  enum class Kind : uint64_t { attempted, acknowledged };

  JournalPipe() {
    if (pipe(ends_) != 0) throw std::runtime_error("no pipe");
  }
  JournalPipe(const JournalPipe&) = delete;
  JournalPipe& operator=(const JournalPipe&) = delete;
  ~JournalPipe() {
    close(ends_[0]);
    if (ends_[1] >= 0) close(ends_[1]);
  }

  void send(Kind kind, const Tokens& tokens) const {
    const uint64_t head[2] = {static_cast<uint64_t>(kind), tokens.size()};
    std::string bytes(reinterpret_cast<const char*>(head), sizeof head);
    bytes.append(reinterpret_cast<const char*>(tokens.data()), tokens.size() * sizeof(Token));
    for (size_t sent = 0; sent < bytes.size();) {
      const ssize_t n = write(ends_[1], bytes.data() + sent, bytes.size() - sent);
      if (n <= 0) _exit(3);
      sent += static_cast<size_t>(n);
    }
  }
  // Reads until the child, which has the other end alone then, is gone.
  void receive(std::optional<Tokens>* acknowledged, std::optional<Tokens>* attempted) {
    close(ends_[1]);
    ends_[1] = -1;
    std::string bytes;
    char buffer[4096];
    for (ssize_t n = 0; (n = read(ends_[0], buffer, sizeof buffer)) > 0;)
      bytes.append(buffer, static_cast<size_t>(n));
    uint64_t head[2];
    for (size_t at = 0; at + sizeof head <= bytes.size();) {
      std::memcpy(head, bytes.data() + at, sizeof head);
      at += sizeof head;
      if (head[1] * sizeof(Token) > bytes.size() - at) return;
      Tokens tokens(head[1]);
      std::memcpy(tokens.data(), bytes.data() + at, tokens.size() * sizeof(Token));
      at += tokens.size() * sizeof(Token);
      if (static_cast<Kind>(head[0]) == Kind::attempted) {
        *attempted = std::move(tokens);
      } else {
        *acknowledged = std::move(tokens);
        attempted->reset();
      }
    }
  }

 private:
  int ends_[2];
};

}  // namespace leoam::testing
