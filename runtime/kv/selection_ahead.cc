#include "runtime/kv/selection_ahead.h"

#include <algorithm>

namespace leoam {
namespace {

// Further ahead, what was brought in would have to go again for what is needed first.
constexpr size_t kMostLayers = 3;

}  // namespace

void SelectionAhead::give_up(Tiers& tiers, Guess* guess) {
  if (guess->n_wanted > 0) tiers.unwant(std::span<const PageHandle>(guess->pages).first(guess->n_wanted));
  ahead_bytes_ -= guess->bytes;
  guess->n_wanted = 0;
  guess->bytes = 0;
}

uint64_t SelectionAhead::selected(Tiers& tiers, uint32_t layer, std::span<const PageHandle> pages) {
  if (layers_.size() <= layer) layers_.resize(layer + 1);
  Guess& guess = layers_[layer];
  uint64_t n_guessed = 0;
  for (const PageHandle& page : pages) n_guessed += std::ranges::binary_search(guess.ids, page->id) ? 1 : 0;
  give_up(tiers, &guess);
  guess.pages.assign(pages.begin(), pages.end());
  guess.ids.clear();
  for (const PageHandle& page : pages) guess.ids.push_back(page->id);
  std::ranges::sort(guess.ids);
  return n_guessed;
}

void SelectionAhead::look(Tiers& tiers, uint32_t layer) {
  // A layer's selection is pinned as a whole beside what comes ahead.
  uint64_t own_bytes = 0;
  if (layer < layers_.size())
    for (const PageHandle& page : layers_[layer].pages) own_bytes += page->bytes;
  const uint64_t most = tiers.ahead_bytes();
  const uint64_t limit = most - std::min(most, own_bytes);
  for (size_t k = 1; k <= kMostLayers && k < layers_.size() && ahead_bytes_ < limit; ++k) {
    Guess& guess = layers_[(layer + k) % layers_.size()];
    if (guess.n_wanted == guess.pages.size()) continue;
    const std::span<const PageHandle> rest = std::span<const PageHandle>(guess.pages).subspan(guess.n_wanted);
    uint64_t bytes = 0;
    const size_t n = tiers.want(rest, &bytes);
    guess.n_wanted += n;
    guess.bytes += bytes;
    ahead_bytes_ += bytes;
    if (n < rest.size()) return;
  }
}

void SelectionAhead::stop(Tiers& tiers) {
  for (Guess& guess : layers_) give_up(tiers, &guess);
  layers_.clear();
}

}  // namespace leoam
