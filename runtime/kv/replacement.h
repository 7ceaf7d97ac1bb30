// Replacement: in which order pages leave a tier. A part that can be replaced: another order is another class
// here.
#pragma once

#include <cstdint>

#include "runtime/kv/page.h"

namespace leoam {

enum class ReplacementKind : int32_t {
  least_recent,  // always
  most_recent,   // for contexts that are read from end to end in every step: the page just used is the one
                 // that is needed last, so what is in place stays there and saves its share of the reads
};

// Pages that may be dropped, in order of their last use, for each Retention. Those of a lower one go first.
//
// Streamed pages go as the kind says. Of the others the one that was used last goes first too, unless the
// oldest is stale: a step uses more of them than there is room for, so that the least recent would always be
// the one that the next step needs first. With least_recent that order is kept for all.
//
// Thread rule: one thread at a time.
class Replacement {
 public:
  Replacement(ReplacementKind kind, Level level) : kind_(kind), level_(level) {}

  // A page enters, as the newest; it must not be in, and its retention does not change while it is.
  void add(Page& page);
  void remove(Page& page);
  void touch(Page& page) {
    remove(page);
    add(page);
  }
  bool contains(const Page& page) const {
    return page.at(level_).newer != nullptr || list_of(page).newest == &page;
  }

  // The first page, in the order of leaving, that `may_go` accepts; null: none.
  template <class MayGo>
  Page* victim(const MayGo& may_go) const {
    for (const List& list : lists_) {
      const bool newest_first = kind_ == ReplacementKind::most_recent && !is_stale(list);
      for (Page* page = newest_first ? list.newest : list.oldest; page;
           page = newest_first ? page->at(level_).older : page->at(level_).newer)
        if (may_go(*page)) return page;
    }
    return nullptr;
  }

 private:
  // A page is stale when so many times the pages of its list were used since.
  static constexpr uint64_t kStale_rounds = 8;

  struct List {
    Page* newest = nullptr;
    Page* oldest = nullptr;
    uint64_t n_pages = 0;
    uint64_t n_uses = 0;
  };
  List& list_of(const Page& page) { return lists_[static_cast<size_t>(page.retention)]; }
  const List& list_of(const Page& page) const { return lists_[static_cast<size_t>(page.retention)]; }
  bool is_stale(const List& list) const;

  ReplacementKind kind_;
  Level level_;
  List lists_[kRetentions];
};

}  // namespace leoam
