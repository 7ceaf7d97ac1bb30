// GranuleBudget: divides a number of granules among the KV heads of a layer: those with the most mass are
// taken, whatever head they are of, and none for a head that has enough. Skewed heads take few, flat ones
// more.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace leoam {

// A head's granules, of which it wants those with the most mass.
struct GranuleMasses {
  std::span<const float> mass;  // shares of the head's attention; 0: no candidate
  float fixed = 0;              // share of what is attended to anyway
};

// Thread rule: one thread at a time.
class GranuleBudget {
 public:
  // At most n_granules in all; a head takes no more once its rest is at most `rest`, if that is above 0.
  void divide(std::span<const GranuleMasses> heads, uint64_t n_granules, double rest);
  // Whether a granule of this mass is taken. To be asked once for each granule of a head, in ascending order:
  // of equals at the edge, the first are taken. Heads may be asked by several threads.
  bool takes(size_t head, float mass);

 private:
  // Masses in classes 1/32 of an octave wide, from 2^-30 up.
  static constexpr int kLowest_log2 = -30;
  static constexpr size_t kClasses = 32 * (1 - kLowest_log2) + 1;
  static size_t class_of(float mass);

  struct Head {
    std::array<uint32_t, kClasses> count;
    size_t lowest;       // class that the head wants
    uint64_t n_at_edge;  // left to be taken of the class at the edge
  };
  std::vector<Head> heads_;
  size_t edge_ = 0;  // classes above are taken whole
};

}  // namespace leoam
