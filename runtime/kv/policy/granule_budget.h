// GranuleBudget: divides a number of granules among the KV heads of a layer: those with the most mass are
// taken, whatever head they are of. Skewed heads take few, flat ones more.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace leoam {

// What one head takes. To be asked once for each of its granules, in ascending order: of equals at the edge,
// the first are taken.
//
// Thread rule: one thread at a time.
class GranuleShare {
 public:
  // At most 32 granules; bit i: granule i is taken.
  uint32_t take(std::span<const float> masses) {
    uint32_t taken = 0;
    uint32_t at_edge = 0;
    for (uint32_t i = 0; i < masses.size(); ++i) {
      taken |= uint32_t{masses[i] >= certain_} << i;
      at_edge |= uint32_t{masses[i] >= edge_ && masses[i] < certain_} << i;
    }
    for (; at_edge != 0 && n_at_edge_ > 0; --n_at_edge_, at_edge &= at_edge - 1) taken |= at_edge & -at_edge;
    return taken;
  }

 private:
  friend class GranuleBudget;
  float certain_;       // taken from here on
  float edge_;          // and from here on as long as there is room
  uint64_t n_at_edge_;  // for so many
};

// begin, then count for each head, then share. Thread rule: one thread at a time, but for `count`, which one
// thread at a time may call for each head, and `share`, which any may.
class GranuleBudget {
 public:
  void begin(size_t n_heads) { heads_.resize(n_heads); }
  // Of the head's granules, shares of its attention; 0: no candidate.
  void count(size_t head, std::span<const float> masses);
  // What a head has of n_granules for all.
  GranuleShare share(size_t head, uint64_t n_granules) const;

  // How many of all heads are of the class `least` or above.
  uint64_t n_from(size_t least) const;
  // To counts [kClasses]: those of all heads, by class.
  void add_to(std::span<uint32_t> counts) const;

  // Masses in classes 1/32 of an octave wide, from 2^-30 up.
  static constexpr int kLowest_log2 = -30;
  static constexpr size_t kClasses = 32 * (1 - kLowest_log2) + 1;

 private:
  static constexpr uint32_t kLowest = static_cast<uint32_t>(127 + kLowest_log2) << 5;
  static size_t class_of(float mass);
  // The least mass of a class.
  static float least_of(size_t at);

  struct Head {
    std::array<uint32_t, kClasses> count;
    size_t end;  // all are in classes below
  };
  std::vector<Head> heads_;
};

}  // namespace leoam
