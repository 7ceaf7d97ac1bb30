#include "runtime/kv/layer_abstracts.h"

#include <algorithm>
#include <cstring>

namespace leoam {
namespace {

constexpr uint32_t kBlockPages = kernels::kCodeBlock_pages;

kernels::ChunkLayout chunk_layout_of(const kernels::KvLayout& layout) {
  return {layout.head_dim};
}

}  // namespace

uint32_t LayerAbstracts::block_bytes(const kernels::KvLayout& layout, AbstractPart part) {
  return static_cast<uint32_t>(part == AbstractPart::codes ? kernels::key_code_layout(layout).block_bytes()
                                                           : size_t{layout.n_kv_heads} * kHeadRecords *
                                                                 chunk_layout_of(layout).record_bytes());
}

LayerAbstracts::LayerAbstracts(Tiers& tiers, const kernels::CpuTable& kernels,
                               const kernels::KvLayout& layout,
                               const std::array<uint32_t, kAbstractParts>& streams)
    : tiers_(&tiers),
      kernels_(&kernels),
      codes_(kernels::key_code_layout(layout)),
      chunk_(chunk_layout_of(layout)) {
  for (const AbstractPart part : {AbstractPart::records, AbstractPart::codes}) {
    const auto i = static_cast<size_t>(part);
    streams_[i] = stream(streams[i], part);
    block_bytes_[i] = block_bytes(layout, part);
  }
}

size_t LayerAbstracts::node_bytes(uint32_t level) const {
  return codes_.n_kv_heads * chunk_.record_bytes() +
         (level == Chunk::kBlockLevel ? width() * sizeof(float) : 0);
}

Result<std::shared_ptr<LayerAbstracts::Node>> LayerAbstracts::make_node(uint32_t level,
                                                                        const Tiers::Wait& wait) const {
  auto node = std::make_shared<Node>();
  LEOAM_ASSIGN_OR_RETURN(node->room, tiers_->share(node_bytes(level), wait));
  LEOAM_ASSIGN_OR_RETURN(node->memory, AlignedBuffer::allocate(node_bytes(level)));
  return node;
}

Status LayerAbstracts::take_nodes(uint32_t block, const Tiers::Wait& wait) {
  for (uint32_t i = 0; (block + 1) % Chunk{i, 0}.n_pages() == 0; ++i) {
    if (next_nodes_.size() > i) continue;
    LEOAM_ASSIGN_OR_RETURN(std::shared_ptr<Node> node, make_node(Chunk::kBlockLevel + i, wait));
    next_nodes_.push_back(std::move(node));
  }
  return {};
}

void LayerAbstracts::fill_nodes(uint32_t block) {
  for (size_t i = 0; i < next_nodes_.size(); ++i) {
    const auto level = static_cast<uint32_t>(Chunk::kBlockLevel + i);
    if (nodes_.size() <= i) nodes_.emplace_back();
    nodes_[i].push_back(std::move(next_nodes_[i]));
    merge({level, static_cast<uint32_t>(nodes_[i].size() - 1)}, nodes_[i].back()->memory.data());
  }
  next_nodes_.clear();
  float* const ranges = ranges_of(*nodes_[0].back());
  std::fill_n(ranges, width(), 0.0f);
  for (uint32_t slot = 0; slot < kBlockPages; ++slot) add_ranges(codes(block), slot, ranges);
}

Status LayerAbstracts::make_tops(const Tiers::Wait& wait) {
  if (has_tops()) return {};
  next_nodes_.clear();
  for (uint32_t block = n_tops(); block < n_pages_ / kBlockPages; ++block) {
    LEOAM_RETURN_IF_ERROR(take_nodes(block, wait));
    const PageHandle parts[kAbstractParts] = {blocks_[0][block], blocks_[1][block]};
    LEOAM_RETURN_IF_ERROR(tiers_->pin(parts, wait));
    fill_nodes(block);
    tiers_->unpin(parts);
  }
  update_ranges();
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

void LayerAbstracts::add_ranges(const uint8_t* codes, uint32_t slot, float* sums) const {
  for (uint32_t head = 0; head < codes_.n_kv_heads; ++head)
    for (uint32_t c = 0; c < codes_.head_dim; ++c)
      sums[size_t{head} * codes_.head_dim + c] +=
          kernels::key_code_scale(codes[codes_.head_offset(head) + codes_.scale_offset(c) + slot]);
}

void LayerAbstracts::update_ranges() {
  ranges_.assign(width(), 0);
  if (nodes_.empty() || nodes_[0].empty()) {
    for (uint32_t page = 0; page < n_pages_; ++page) add_ranges(codes(0), page, ranges_.data());
    return;
  }
  for (const std::shared_ptr<Node>& node : nodes_[0])
    for (size_t i = 0; i < width(); ++i) ranges_[i] += ranges_of(*node)[i];
}

void LayerAbstracts::commit(uint32_t n) {
  const uint32_t before = n_pages_;
  n_pages_ += n;
  for (uint32_t i = before / Chunk::kChildren; i < n_pages_ / Chunk::kChildren; ++i)
    merge({1, i}, const_cast<uint8_t*>(records({1, i})));
  if (n_pages_ % kBlockPages == 0) {
    const uint32_t block = n_pages_ / kBlockPages - 1;
    fill_nodes(block);
    for (const std::vector<PageHandle>& blocks : blocks_)
      tiers_->seal(std::span<const PageHandle>(blocks).subspan(block, 1));
    update_ranges();
  } else if (nodes_.empty() || nodes_[0].empty()) {
    update_ranges();
  }
}

void LayerAbstracts::truncate(uint32_t n) {
  const bool cuts = n < n_pages_;
  // Ranges are made of blocks, or of pages whose codes are in RAM for sure only while they are being made.
  if (cuts) n_pages_ = n < kBlockPages ? 0 : n;
  seen_epochs_ = {};
  for (std::vector<PageHandle>& blocks : blocks_)
    blocks.resize(std::min<size_t>(blocks.size(), (n_pages_ + kBlockPages - 1) / kBlockPages));
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const Chunk first = {static_cast<uint32_t>(Chunk::kBlockLevel + i), 0};
    nodes_[i].resize(std::min<size_t>(nodes_[i].size(), n_pages_ / first.n_pages()));
  }
  next_nodes_.clear();
  if (cuts && n_pages_ > 0 && has_tops()) update_ranges();
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

// What precedes the nodes of blocks in the bytes of a layer.
struct Head {
  uint32_t version;
  uint32_t n_pages;
  uint32_t n_kv_heads;
  uint32_t head_dim;
};
constexpr uint32_t kVersion = 1;

}  // namespace

std::vector<uint8_t> LayerAbstracts::encode() const {
  if (nodes_.empty() || nodes_[0].empty()) return {};
  const size_t bytes = node_bytes(Chunk::kBlockLevel);
  std::vector<uint8_t> out(sizeof(Head) + nodes_[0].size() * bytes);
  const Head head = {kVersion, n_pages_, codes_.n_kv_heads, codes_.head_dim};
  std::memcpy(out.data(), &head, sizeof head);
  for (size_t i = 0; i < nodes_[0].size(); ++i)
    std::memcpy(out.data() + sizeof head + i * bytes, nodes_[0][i]->memory.data(), bytes);
  return out;
}

Status LayerAbstracts::adopt(std::span<const uint8_t> bytes, uint32_t n_most_pages, const Tiers::Wait& wait,
                             std::array<std::vector<PageHandle>, kAbstractParts> blocks) {
  Head head = {};
  if (bytes.size() < sizeof head)
    return error(ErrorKind::corrupt, "abstracts: {} bytes expected at least, found {}", sizeof head,
                 bytes.size());
  std::memcpy(&head, bytes.data(), sizeof head);
  if (head.version != kVersion || head.n_kv_heads != codes_.n_kv_heads || head.head_dim != codes_.head_dim)
    return error(ErrorKind::corrupt, "abstracts: version {} of {} heads of {} expected, found {} of {} of {}",
                 kVersion, codes_.n_kv_heads, codes_.head_dim, head.version, head.n_kv_heads, head.head_dim);
  const size_t n_blocks = (size_t{head.n_pages} + kBlockPages - 1) / kBlockPages;
  const size_t n_nodes = head.n_pages / kBlockPages;
  const size_t each = node_bytes(Chunk::kBlockLevel);
  if (head.n_pages > n_most_pages || n_nodes == 0 || bytes.size() != sizeof head + n_nodes * each ||
      blocks[0].size() != n_blocks || blocks[1].size() != n_blocks)
    return error(ErrorKind::corrupt, "abstracts: {} pages of at most {} in {} bytes, {} and {} blocks",
                 head.n_pages, n_most_pages, bytes.size(), blocks[0].size(), blocks[1].size());
  std::vector<std::vector<std::shared_ptr<Node>>> nodes(1);
  for (size_t i = 0; i < n_nodes; ++i) {
    LEOAM_ASSIGN_OR_RETURN(std::shared_ptr<Node> node, make_node(Chunk::kBlockLevel, wait));
    nodes[0].push_back(std::move(node));
    std::memcpy(nodes[0].back()->memory.data(), bytes.data() + sizeof head + i * each, each);
  }
  for (uint32_t level = Chunk::kBlockLevel + 1; nodes.back().size() >= Chunk::kChildren; ++level) {
    const size_t n = nodes.back().size() / Chunk::kChildren;
    nodes.emplace_back();
    for (size_t i = 0; i < n; ++i) {
      LEOAM_ASSIGN_OR_RETURN(std::shared_ptr<Node> node, make_node(level, wait));
      nodes.back().push_back(std::move(node));
    }
  }
  nodes_ = std::move(nodes);
  n_pages_ = head.n_pages;
  blocks_ = std::move(blocks);
  seen_epochs_ = {};
  for (size_t k = 1; k < nodes_.size(); ++k) {
    const auto level = static_cast<uint32_t>(Chunk::kBlockLevel + k);
    for (uint32_t i = 0; i < nodes_[k].size(); ++i) merge({level, i}, nodes_[k][i]->memory.data());
  }
  update_ranges();
  return {};
}

}  // namespace leoam
