// AbstractReader: the blocks of abstracts that one selection reads: in RAM from when they are asked for until
// it is made.
#pragma once

#include <span>
#include <vector>

#include "runtime/kv/layer_abstracts.h"
#include "runtime/kv/whole_layer.h"

namespace leoam {

// Thread rule: `hold` is called by one thread at a time; what is held is read by any.
class AbstractReader {
 public:
  enum class Missing {
    brought_in,
    refused,  // `hold` fails with not_found instead of waiting
  };
  AbstractReader(Tiers& tiers, LayerAbstracts& abstracts, PassHolds* holds, const CancelFlag* cancel,
                 Missing missing = Missing::brought_in)
      : tiers_(tiers), abstracts_(abstracts), holds_(holds), cancel_(cancel), missing_(missing) {}
  AbstractReader(const AbstractReader&) = delete;
  AbstractReader& operator=(const AbstractReader&) = delete;
  ~AbstractReader();

  const LayerAbstracts& abstracts() const { return abstracts_; }
  // Blocks in ascending order; asking again for what is held costs next to nothing. Fails as Tiers::pin does.
  Status hold(AbstractPart part, std::span<const uint32_t> blocks);
  Status hold_all(AbstractPart part);
  // Blocks that are held, those of a part that is in RAM as a whole included, appended to `out`.
  void append_held(std::vector<PageHandle>* out) const;
  bool holds(AbstractPart part, uint32_t block) const {
    const Part& p = parts_[static_cast<size_t>(part)];
    return p.whole.in_use() || (block < p.held.size() && p.held[block]);
  }

 private:
  struct Part {
    bool looked = false;
    WholeLayer whole;        // in use: all of it is in RAM
    std::vector<bool> held;  // [n_blocks]
  };

  Tiers& tiers_;
  LayerAbstracts& abstracts_;
  PassHolds* holds_;
  const CancelFlag* cancel_;
  const Missing missing_;
  Part parts_[kAbstractParts];
  std::vector<std::vector<PageHandle>> pinned_;
};

}  // namespace leoam
