#include "runtime/kv/layer_abstracts.h"

#include <algorithm>
#include <cstring>

#include "runtime/kv/channel_weights.h"

namespace leoam {
namespace {

constexpr uint32_t kBlockPages = kernels::kCodeBlock_pages;

}  // namespace

LayerAbstracts::LayerAbstracts(Tiers& tiers, const kernels::CpuTable& kernels,
                               const kernels::KvLayout& layout, uint32_t n_coded,
                               const std::array<uint32_t, kAbstractParts>& streams)
    : tiers_(&tiers),
      kernels_(&kernels),
      layout_(layout),
      codes_(kernels::key_code_layout(layout, n_coded)),
      chunk_{layout.head_dim} {
  for (const AbstractPart part : {AbstractPart::records, AbstractPart::codes}) {
    const auto i = static_cast<size_t>(part);
    streams_[i] = stream(streams[i], part);
    block_bytes_[i] = static_cast<uint32_t>(part == AbstractPart::codes
                                                ? codes_.block_bytes()
                                                : codes_.n_kv_heads * kHeadRecords * chunk_.record_bytes());
  }
}

Result<std::shared_ptr<LayerAbstracts::Node>> LayerAbstracts::make_node(const Tiers::Wait& wait) const {
  auto node = std::make_shared<Node>();
  LEOAM_ASSIGN_OR_RETURN(node->room, tiers_->share(node_bytes(), wait));
  LEOAM_ASSIGN_OR_RETURN(node->memory, AlignedBuffer::allocate(node_bytes()));
  return node;
}

Status LayerAbstracts::take_nodes(uint32_t block, const Tiers::Wait& wait) {
  for (uint32_t i = 0; (block + 1) % Chunk{i, 0}.n_pages() == 0; ++i) {
    if (next_nodes_.size() > i) continue;
    LEOAM_ASSIGN_OR_RETURN(std::shared_ptr<Node> node, make_node(wait));
    next_nodes_.push_back(std::move(node));
  }
  return {};
}

void LayerAbstracts::fill_nodes() {
  for (size_t i = 0; i < next_nodes_.size(); ++i) {
    const auto level = static_cast<uint32_t>(Chunk::kBlockLevel + i);
    if (nodes_.size() <= i) nodes_.emplace_back();
    nodes_[i].push_back(std::move(next_nodes_[i]));
    merge({level, static_cast<uint32_t>(nodes_[i].size() - 1)}, nodes_[i].back()->memory.data());
  }
  next_nodes_.clear();
}

Status LayerAbstracts::make_tops(const Tiers::Wait& wait) {
  if (has_tops()) return {};
  next_nodes_.clear();
  for (uint32_t block = n_tops(); block < n_pages_ / kBlockPages; ++block) {
    LEOAM_RETURN_IF_ERROR(take_nodes(block, wait));
    const std::span<const PageHandle> records = blocks(AbstractPart::records).subspan(block, 1);
    LEOAM_RETURN_IF_ERROR(tiers_->pin(records, wait));
    fill_nodes();
    tiers_->unpin(records);
  }
  return {};
}

Status LayerAbstracts::append(uint32_t n, const Tiers::Wait& wait, std::vector<PageAbstract>* out) {
  const uint32_t block = n_pages_ / kBlockPages;
  const uint32_t slot = n_pages_ % kBlockPages;
  // All that may fail comes before anything is written.
  if (slot + n == kBlockPages) LEOAM_RETURN_IF_ERROR(take_nodes(block, wait));
  seen_epochs_ = {};
  for (size_t part = 0; part < kAbstractParts; ++part) {
    if (block < blocks_[part].size())
      LEOAM_RETURN_IF_ERROR(tiers_->open_for_writing(&blocks_[part][block], wait));
    else
      LEOAM_RETURN_IF_ERROR(
          tiers_->create(streams_[part], block, block_bytes_[part], 1, wait, &blocks_[part]));
  }
  for (uint32_t i = 0; i < n; ++i) {
    PageAbstract abstract;
    abstract.codes = data(AbstractPart::codes, block);
    abstract.slot = slot + i;
    abstract.records = data(AbstractPart::records, block) + (slot + i) * chunk_.record_bytes();
    abstract.head_stride = record_stride(0);
    out->push_back(abstract);
  }
  return {};
}

void LayerAbstracts::merge(Chunk chunk, uint8_t* records) const {
  const size_t stride = record_stride(chunk.level);
  for (uint32_t head = 0; head < codes_.n_kv_heads; ++head) {
    const uint8_t* children[Chunk::kChildren];
    for (uint32_t i = 0; i < Chunk::kChildren; ++i) children[i] = record(chunk.child(i), head);
    kernels_->chunk_merge(chunk_, children, Chunk::kChildren, records + head * stride);
  }
}

Status LayerAbstracts::choose_channels(Device& device, const PageAbstract& first,
                                       std::span<const float> weights) {
  std::vector<float> reach;
  if (weights.empty()) {
    PageAbstract records_alone = first;
    records_alone.codes = nullptr;
    LEOAM_RETURN_IF_ERROR(device.summarize(layout_, {&records_alone, 1}));
    reach.resize(size_t{codes_.n_kv_heads} * codes_.head_dim);
    add_reach(chunk_, first.records, first.head_stride, reach);
    weights = reach;
  }
  channels_.resize(size_t{codes_.n_kv_heads} * codes_.n_coded);
  for (uint32_t head = 0; head < codes_.n_kv_heads; ++head)
    list_heaviest(weights.subspan(size_t{head} * codes_.head_dim, codes_.head_dim),
                  std::span(channels_).subspan(size_t{head} * codes_.n_coded, codes_.n_coded));
  return {};
}

Status LayerAbstracts::make(Device& device, std::span<PageAbstract> pages, std::span<const float> weights) {
  if (n_pages_ == 0) LEOAM_RETURN_IF_ERROR(choose_channels(device, pages[0], weights));
  for (PageAbstract& page : pages) {
    page.channels = channels_.data();
    page.n_coded = codes_.n_coded;
  }
  LEOAM_RETURN_IF_ERROR(device.summarize(layout_, pages));
  const uint32_t before = n_pages_;
  n_pages_ += static_cast<uint32_t>(pages.size());
  for (uint32_t i = before / Chunk::kChildren; i < n_pages_ / Chunk::kChildren; ++i)
    merge({1, i}, const_cast<uint8_t*>(records({1, i})));
  if (n_pages_ % kBlockPages != 0) return {};
  fill_nodes();
  for (const std::vector<PageHandle>& blocks : blocks_)
    tiers_->seal(std::span<const PageHandle>(blocks).subspan(n_pages_ / kBlockPages - 1, 1));
  return {};
}

void LayerAbstracts::truncate(uint32_t n) {
  n_pages_ = std::min(n, n_pages_);
  seen_epochs_ = {};
  for (std::vector<PageHandle>& blocks : blocks_)
    blocks.resize(std::min<size_t>(blocks.size(), (n_pages_ + kBlockPages - 1) / kBlockPages));
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const Chunk first = {static_cast<uint32_t>(Chunk::kBlockLevel + i), 0};
    nodes_[i].resize(std::min<size_t>(nodes_[i].size(), n_pages_ / first.n_pages()));
  }
  next_nodes_.clear();
}

bool LayerAbstracts::forget_damaged() {
  for (uint32_t block = 0; block < n_blocks(); ++block) {
    for (const std::vector<PageHandle>& blocks : blocks_) {
      if (!tiers_->damaged(*blocks[block].get())) continue;
      truncate(block * kBlockPages);
      return true;
    }
  }
  return false;
}

namespace {

// What precedes the channels with codes, u32 [n_kv_heads][n_coded], and the nodes of blocks in the bytes of a
// layer.
struct Head {
  uint32_t version;
  uint32_t n_pages;
  uint32_t n_kv_heads;
  uint32_t head_dim;
  uint32_t n_coded;
};
constexpr uint32_t kVersion = 2;

}  // namespace

std::vector<uint8_t> LayerAbstracts::encode() const {
  if (nodes_.empty() || nodes_[0].empty()) return {};
  const size_t bytes = node_bytes();
  const size_t list_bytes = channels_.size() * sizeof(uint32_t);
  std::vector<uint8_t> out(sizeof(Head) + list_bytes + nodes_[0].size() * bytes);
  const Head head = {kVersion, n_pages_, codes_.n_kv_heads, codes_.head_dim, codes_.n_coded};
  std::memcpy(out.data(), &head, sizeof head);
  std::memcpy(out.data() + sizeof head, channels_.data(), list_bytes);
  for (size_t i = 0; i < nodes_[0].size(); ++i)
    std::memcpy(out.data() + sizeof head + list_bytes + i * bytes, nodes_[0][i]->memory.data(), bytes);
  return out;
}

bool LayerAbstracts::are_channels(std::span<const uint32_t> channels) const {
  for (uint32_t i = 0; i < channels.size(); ++i) {
    const bool is_first = i % codes_.n_coded == 0;
    if (channels[i] >= codes_.head_dim || (!is_first && channels[i] <= channels[i - 1])) return false;
  }
  return true;
}

Status LayerAbstracts::adopt(std::span<const uint8_t> bytes, uint32_t n_most_pages, const Tiers::Wait& wait,
                             std::array<std::vector<PageHandle>, kAbstractParts> blocks) {
  Head head = {};
  if (bytes.size() < sizeof head)
    return error(ErrorKind::corrupt, "abstracts: {} bytes expected at least, found {}", sizeof head,
                 bytes.size());
  std::memcpy(&head, bytes.data(), sizeof head);
  if (head.version != kVersion || head.n_kv_heads != codes_.n_kv_heads || head.head_dim != codes_.head_dim ||
      head.n_coded != codes_.n_coded)
    return error(ErrorKind::corrupt,
                 "abstracts: version {} of {} heads of {}, {} with codes, expected, found {} of {} of {}, {}",
                 kVersion, codes_.n_kv_heads, codes_.head_dim, codes_.n_coded, head.version, head.n_kv_heads,
                 head.head_dim, head.n_coded);
  const size_t n_blocks = (size_t{head.n_pages} + kBlockPages - 1) / kBlockPages;
  const size_t n_nodes = head.n_pages / kBlockPages;
  const size_t each = node_bytes();
  std::vector<uint32_t> channels(size_t{codes_.n_kv_heads} * codes_.n_coded);
  const size_t list_bytes = channels.size() * sizeof(uint32_t);
  const size_t first_node = sizeof head + list_bytes;
  if (head.n_pages > n_most_pages || n_nodes == 0 || bytes.size() != first_node + n_nodes * each ||
      blocks[0].size() != n_blocks || blocks[1].size() != n_blocks)
    return error(ErrorKind::corrupt, "abstracts: {} pages of at most {} in {} bytes, {} and {} blocks",
                 head.n_pages, n_most_pages, bytes.size(), blocks[0].size(), blocks[1].size());
  std::memcpy(channels.data(), bytes.data() + sizeof head, list_bytes);
  if (!are_channels(channels))
    return error(ErrorKind::corrupt, "abstracts: channels with codes are not ascending ones of {}",
                 codes_.head_dim);
  std::vector<std::vector<std::shared_ptr<Node>>> nodes(1);
  for (size_t i = 0; i < n_nodes; ++i) {
    LEOAM_ASSIGN_OR_RETURN(std::shared_ptr<Node> node, make_node(wait));
    nodes[0].push_back(std::move(node));
    std::memcpy(nodes[0].back()->memory.data(), bytes.data() + first_node + i * each, each);
  }
  while (nodes.back().size() >= Chunk::kChildren) {
    const size_t n = nodes.back().size() / Chunk::kChildren;
    nodes.emplace_back();
    for (size_t i = 0; i < n; ++i) {
      LEOAM_ASSIGN_OR_RETURN(std::shared_ptr<Node> node, make_node(wait));
      nodes.back().push_back(std::move(node));
    }
  }
  nodes_ = std::move(nodes);
  n_pages_ = head.n_pages;
  blocks_ = std::move(blocks);
  channels_ = std::move(channels);
  seen_epochs_ = {};
  for (size_t k = 1; k < nodes_.size(); ++k) {
    const auto level = static_cast<uint32_t>(Chunk::kBlockLevel + k);
    for (uint32_t i = 0; i < nodes_[k].size(); ++i) merge({level, i}, nodes_[k][i]->memory.data());
  }
  return {};
}

}  // namespace leoam
