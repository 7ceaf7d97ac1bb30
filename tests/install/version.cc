#include <cstdio>
#include <leoam/leoam.hpp>

int main() {
  std::printf("%u\n", static_cast<unsigned>(leoam_version()));
  return 0;
}
