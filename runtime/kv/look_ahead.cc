#include "runtime/kv/look_ahead.h"

#include <algorithm>

namespace leoam {
namespace {

// Runs that are asked for in advance.
constexpr size_t kMaxRuns = 64;

}  // namespace

std::span<const PageHandle> LookAhead::pages_of(uint64_t layer, bool guessed) const {
  const uint64_t index = layer % guesses_.size();
  if (guessed) return guesses_[index].pages;
  return layers_.pages(static_cast<uint32_t>(index));
}

void LookAhead::unwant(Tiers& tiers, const Run& run) const {
  tiers.unwant(pages_of(run.layer, run.guessed).subspan(run.begin, run.end - run.begin));
}

void LookAhead::pass(Tiers& tiers, uint64_t layer, size_t page) {
  size_t n_passed = 0;
  while (n_passed < runs_.size()) {
    const Run& run = runs_[n_passed];
    if (run.layer > layer || (run.layer == layer && run.end > page)) break;
    // Unused, where the layer was there as a whole, or needed other pages.
    if (run.layer < layer) unwant(tiers, run);
    bytes_ -= run.bytes;
    ++n_passed;
  }
  runs_.erase(runs_.begin(), runs_.begin() + static_cast<std::ptrdiff_t>(n_passed));
}

void LookAhead::look(Tiers& tiers, uint32_t layer, size_t page) {
  const uint64_t n_layers = guesses_.size();
  const uint64_t here = pass_ * n_layers + layer;
  pass(tiers, here, page);
  // What had to make room is nearer than what would be asked for next: anew, from here.
  if (const uint64_t given_up = tiers.n_given_up(); given_up != seen_given_up_) {
    seen_given_up_ = given_up;
    stop(tiers);
  }
  uint64_t at_layer = runs_.empty() ? here : runs_.back().layer;
  size_t at_page = runs_.empty() ? page : runs_.back().end;
  const uint64_t limit = tiers.ahead_bytes();
  while (bytes_ < limit && runs_.size() < kMaxRuns) {
    const bool guessed = layers_.selects(static_cast<uint32_t>(at_layer % n_layers));
    const std::span<const PageHandle> pages = pages_of(at_layer, guessed);
    if (at_page >= pages.size()) {
      // Half a round at most: what has just left RAM to make room must not come back at once for the next.
      if (++at_layer > here + n_layers / 2) return;
      at_page = 0;
      continue;
    }
    Run run = {at_layer, guessed, at_page, std::min(pages.size(), at_page + kRunPages), 0};
    const size_t n_wished = run.end - run.begin;
    const size_t n = tiers.want(pages.subspan(run.begin, n_wished), &run.bytes);
    run.end = run.begin + n;
    if (n > 0) runs_.push_back(run);
    bytes_ += run.bytes;
    if (n < n_wished) return;
    at_page = run.end;
  }
}

void LookAhead::expect(Tiers& tiers, uint32_t layer, std::span<const PageHandle> pages) {
  Guess& guess = guesses_[layer];
  const size_t begin = guess.pages.size();
  for (const PageHandle& page : pages)
    if (!std::ranges::binary_search(guess.ids, page->id)) guess.pages.push_back(page);
  if (guess.pages.size() == begin) return;
  for (size_t i = begin; i < guess.pages.size(); ++i) guess.ids.push_back(guess.pages[i]->id);
  std::ranges::sort(guess.ids);
  // Where `look` has not come so far it will find them. Otherwise they go before what comes later.
  const uint64_t here = pass_ * guesses_.size() + layer;
  const auto behind = std::ranges::upper_bound(runs_, here, {}, &Run::layer);
  const bool passed = behind != runs_.end() ||
                      (behind != runs_.begin() && behind[-1].layer == here && behind[-1].end == begin);
  if (!passed || tiers.ahead_bytes() == 0) return;
  Run run = {here, true, begin, guess.pages.size(), 0};
  run.end = begin + tiers.want(std::span<const PageHandle>(guess.pages).subspan(begin), &run.bytes);
  if (run.end == begin) return;
  bytes_ += run.bytes;
  runs_.insert(behind, run);
}

void LookAhead::replace(uint32_t layer, const Page& page, const PageHandle& by) {
  Guess& guess = guesses_[layer];
  const auto id = std::ranges::lower_bound(guess.ids, page.id);
  if (id == guess.ids.end() || *id != page.id) return;
  guess.ids.erase(id);
  guess.ids.insert(std::ranges::lower_bound(guess.ids, by->id), by->id);
  std::ranges::find(guess.pages, &page, &PageHandle::get)->operator=(by);
}

void LookAhead::stop(Tiers& tiers) {
  for (const Run& run : runs_) unwant(tiers, run);
  runs_.clear();
  bytes_ = 0;
}

uint64_t LookAhead::selected(Tiers& tiers, uint32_t layer, std::span<const PageHandle> pages) {
  pass(tiers, pass_ * guesses_.size() + layer + 1, 0);
  Guess& guess = guesses_[layer];
  uint64_t n_guessed = 0;
  for (const PageHandle& page : pages) n_guessed += std::ranges::binary_search(guess.ids, page->id) ? 1 : 0;
  guess.pages.assign(pages.begin(), pages.end());
  guess.ids.clear();
  for (const PageHandle& page : pages) guess.ids.push_back(page->id);
  std::ranges::sort(guess.ids);
  return n_guessed;
}

void LookAhead::forget_guesses(Tiers& tiers) {
  stop(tiers);
  for (Guess& guess : guesses_) guess = {};
}

}  // namespace leoam
