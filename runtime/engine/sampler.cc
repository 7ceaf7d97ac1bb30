#include "runtime/engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace leoam {
namespace {

// splitmix64 spreads a seed over the generator's state (Steele, Lea, Flood 2014).
uint64_t splitmix(uint64_t* state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

uint64_t rotate_left(uint64_t x, int n) {
  return (x << n) | (x >> (64 - n));
}

// Entries summed at once when the whole vocabulary may be drawn from.
constexpr uint32_t kDrawBlock = 1024;

}  // namespace

Result<Sampler> Sampler::create(const SamplerOptions& options, uint32_t n_vocab,
                                const kernels::CpuTable& kernels) {
  const auto refuse = [](const char* name, const char* range, float found) {
    return error(ErrorKind::invalid_argument, "{}: expected {}, found {}", name, range, found);
  };
  // Negated comparisons, so that NaN is refused too.
  if (!(options.temperature >= 0 && std::isfinite(options.temperature)))
    return refuse("temperature", "0 or more", options.temperature);
  if (!(options.top_p > 0 && options.top_p <= 1))
    return refuse("top_p", "more than 0, at most 1", options.top_p);
  if (!(options.min_p >= 0 && options.min_p <= 1)) return refuse("min_p", "0 to 1", options.min_p);
  if (!(options.repetition_penalty > 0 && std::isfinite(options.repetition_penalty)))
    return refuse("repetition_penalty", "more than 0", options.repetition_penalty);
  Sampler sampler;
  sampler.options_ = options;
  sampler.kernels_ = &kernels;
  uint64_t seed = options.seed;
  for (uint64_t& word : sampler.state_) word = splitmix(&seed);
  if (options.temperature > 0) {
    sampler.indices_.resize(n_vocab);
    sampler.candidates_.reserve(n_vocab);
  }
  if (sampler.changes_logits()) sampler.seen_.resize(n_vocab);
  return sampler;
}

int32_t Sampler::sample(std::span<float> logits, std::span<const int32_t> history) {
  if (changes_logits()) penalise(logits, history);
  const uint32_t n = static_cast<uint32_t>(logits.size());
  const kernels::LogitsMaximum best = kernels_->logits_maximum(logits.data(), n);
  if (options_.temperature == 0 || !std::isfinite(best.value)) return static_cast<int32_t>(best.index);
  const bool filtered = options_.top_k != 0 || options_.top_p < 1 || options_.min_p > 0;
  if (!filtered) return draw_from_all(logits, best);
  collect(logits, best.value);
  return draw_from_candidates();
}

// xoshiro256** (Blackman, Vigna 2018); the top 53 bits as a number in [0, 1).
double Sampler::next_uniform() {
  const uint64_t result = rotate_left(state_[1] * 5, 7) * 9;
  const uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = rotate_left(state_[3], 45);
  return static_cast<double>(result >> 11) * 0x1.0p-53;
}

void Sampler::penalise(std::span<float> logits, std::span<const int32_t> history) {
  const size_t window = std::min<size_t>(options_.repetition_window_tokens, history.size());
  const std::span<const int32_t> recent = history.last(window);
  for (const int32_t token : recent) {
    if (seen_[static_cast<size_t>(token)]) continue;
    seen_[static_cast<size_t>(token)] = 1;
    float& logit = logits[static_cast<size_t>(token)];
    logit = logit > 0 ? logit / options_.repetition_penalty : logit * options_.repetition_penalty;
  }
  for (const int32_t token : recent) seen_[static_cast<size_t>(token)] = 0;
}

// Every filter keeps the most likely tokens up to some rank, so a prefix of the sorted vocabulary is enough:
// the threshold falls until the prefix holds all that the filters can keep.
void Sampler::collect(std::span<const float> logits, float maximum) {
  const uint32_t n_vocab = static_cast<uint32_t>(logits.size());
  const float temperature = options_.temperature;
  const double total = options_.top_k == 0 && options_.top_p < 1
                           ? kernels_->logits_exp_sum(logits.data(), n_vocab, maximum, 1.0f / temperature)
                           : 0;
  const float min_p_depth =
      options_.min_p > 0 ? -std::log(options_.min_p) : std::numeric_limits<float>::infinity();
  for (float depth = 4;; depth *= 2) {
    const bool all = depth > 1e4f;
    const float reach = std::min(depth, min_p_depth);
    const float threshold =
        all && reach > 1e4f ? std::numeric_limits<float>::lowest() : maximum - reach * temperature;
    const uint32_t n = kernels_->logits_above(logits.data(), n_vocab, threshold, indices_.data(), n_vocab);
    candidates_.clear();
    double mass = 0;
    for (uint32_t i = 0; i < n; ++i) {
      const float probability = std::exp((logits[indices_[i]] - maximum) / temperature);
      candidates_.push_back({indices_[i], probability});
      mass += probability;
    }
    const bool enough_k = options_.top_k != 0 && n >= options_.top_k;
    const bool enough_p = options_.top_k == 0 && options_.top_p < 1 && mass >= options_.top_p * total;
    if (all || reach == min_p_depth || enough_k || enough_p) break;
  }
  const auto more_likely = [](const Candidate& a, const Candidate& b) {
    return a.probability != b.probability ? a.probability > b.probability : a.token < b.token;
  };
  if (options_.top_k != 0 && candidates_.size() > options_.top_k) {
    std::nth_element(candidates_.begin(), candidates_.begin() + options_.top_k, candidates_.end(),
                     more_likely);
    candidates_.resize(options_.top_k);
  }
  std::sort(candidates_.begin(), candidates_.end(), more_likely);
  if (options_.top_p < 1) {
    double mass = total;
    if (options_.top_k != 0)
      for (const Candidate& candidate : candidates_) mass += candidate.probability;
    double kept = 0;
    size_t n = 0;
    while (n < candidates_.size() && kept < options_.top_p * mass) kept += candidates_[n++].probability;
    candidates_.resize(std::max<size_t>(n, 1));
  }
  while (candidates_.size() > 1 && candidates_.back().probability < options_.min_p) candidates_.pop_back();
}

int32_t Sampler::draw_from_candidates() {
  double mass = 0;
  for (const Candidate& candidate : candidates_) mass += candidate.probability;
  double left = next_uniform() * mass;
  for (const Candidate& candidate : candidates_) {
    left -= candidate.probability;
    if (left < 0) return static_cast<int32_t>(candidate.token);
  }
  return static_cast<int32_t>(candidates_.back().token);
}

int32_t Sampler::draw_from_all(std::span<const float> logits, const kernels::LogitsMaximum& best) {
  const uint32_t n = static_cast<uint32_t>(logits.size());
  const float inverse = 1.0f / options_.temperature;
  double left = next_uniform() * kernels_->logits_exp_sum(logits.data(), n, best.value, inverse);
  for (uint32_t begin = 0; begin < n; begin += kDrawBlock) {
    const uint32_t size = std::min(kDrawBlock, n - begin);
    const double block = kernels_->logits_exp_sum(logits.data() + begin, size, best.value, inverse);
    if (left >= block) {
      left -= block;
      continue;
    }
    for (uint32_t i = begin; i < begin + size; ++i) {
      const float logit = logits[i];
      if (std::isnan(logit)) continue;
      left -= std::exp((logit - best.value) * inverse);
      if (left < 0) return static_cast<int32_t>(i);
    }
  }
  return static_cast<int32_t>(best.index);  // rounding left a remainder
}

}  // namespace leoam
