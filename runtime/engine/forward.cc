#include "runtime/engine/forward.h"

#include <algorithm>

namespace leoam {
namespace {

// The operations of one layer.
constexpr uint32_t kLayerOperations = 3;

bool is_attention(uint32_t operation) {
  return operation > 0 && (operation - 1) % kLayerOperations == 1;
}

// Idle workspaces kept for one model and layout: one for the scheduler, one for a call on a user's thread.
constexpr size_t kIdleForwards = 2;

const float* data_or_null(const std::vector<float>& values) {
  return values.empty() ? nullptr : values.data();
}

bool same_layout(const kernels::KvLayout& a, const kernels::KvLayout& b) {
  return a.type == b.type && a.n_kv_heads == b.n_kv_heads && a.head_dim == b.head_dim &&
         a.page_tokens == b.page_tokens;
}

}  // namespace

Result<std::unique_ptr<Forward>> Forward::create(const Model& model, Device& device,
                                                 const kernels::KvLayout& layout, uint32_t max_tokens) {
  std::unique_ptr<Forward> forward(new Forward(model, device));
  const ModelConfig& config = model.config();
  forward->max_tokens_ = max_tokens;
  StepShape& shape = forward->shape_;
  shape.n_embd = config.n_embd;
  shape.n_heads = config.n_heads;
  shape.n_ff = config.n_ff;
  shape.norm_eps = config.norm_eps;
  shape.kv = layout;
  LEOAM_ASSIGN_OR_RETURN(forward->workspace_, device.create_workspace({config.n_embd, config.n_heads,
                                                                       config.n_ff, max_tokens, layout}));
  forward->rope_ = std::make_unique<RopeTable>(config.rope);
  forward->cos_.resize(size_t{max_tokens} * forward->rope_->n_pairs());
  forward->sin_.resize(forward->cos_.size());
  if (config.sliding_window_tokens != 0) {
    forward->local_rope_ = std::make_unique<RopeTable>(config.local_rope);
    forward->local_cos_.resize(size_t{max_tokens} * forward->local_rope_->n_pairs());
    forward->local_sin_.resize(forward->local_cos_.size());
  }
  forward->layer_times_.resize(config.n_layers);
  forward->sequences_.reserve(max_tokens);
  forward->spans_.reserve(max_tokens);
  forward->pages_.reserve(max_tokens);
  forward->tokens_.reserve(max_tokens);
  return forward;
}

Status Forward::begin(std::span<const StepSequence> sequences, const CancelFlag* cancel) {
  sequences_.clear();
  spans_.clear();
  tokens_.clear();
  for (const StepSequence& sequence : sequences) {
    const SequenceSpan span = {static_cast<uint32_t>(tokens_.size()),
                               static_cast<uint32_t>(sequence.tokens.size()),
                               static_cast<int32_t>(sequence.kv->n_tokens())};
    if (span.n_tokens == 0 || tokens_.size() + span.n_tokens > max_tokens_)
      return error(ErrorKind::internal, "step: {} tokens do not fit {}", tokens_.size() + span.n_tokens,
                   max_tokens_);
    sequences_.push_back(sequence.kv);
    spans_.push_back(span);
    for (uint32_t i = 0; i < span.n_tokens; ++i) {
      const size_t token = tokens_.size();
      const int32_t position = span.first_position + static_cast<int32_t>(i);
      rope_->fill(position, &cos_[token * rope_->n_pairs()], &sin_[token * rope_->n_pairs()]);
      if (local_rope_)
        local_rope_->fill(position, &local_cos_[token * local_rope_->n_pairs()],
                          &local_sin_[token * local_rope_->n_pairs()]);
      tokens_.push_back(sequence.tokens[i]);
    }
  }
  shape_.n_tokens = static_cast<uint32_t>(tokens_.size());
  shape_.spans = spans_;
  shape_.cancel = cancel;
  next_operation_ = 0;
  std::ranges::fill(layer_times_, LayerTimes());
  holds_.arrivals = {};
  begun_us_ = steady_us();
  return {};
}

Result<bool> Forward::advance(Deadline deadline) {
  const uint32_t n_operations = 1 + model_.config().n_layers * kLayerOperations;
  noted_us_ = steady_us();
  while (next_operation_ < n_operations) {
    Status status = run_operation();
    note_times();
    if (!status.ok()) {
      readers_.clear();
      block_selections_.clear();
      layer_selections_.clear();
      shape_.selections = {};
      // Attention reads, and can do so again. Several sequences that do not fit are run apart instead.
      if (is_attention(next_operation_) &&
          ((status.kind() == ErrorKind::no_space && sequences_.size() == 1 && give_up_selecting()) ||
           (status.kind() == ErrorKind::corrupt && lost_abstracts())))
        continue;
      return status;
    }
    ++next_operation_;
    if (shape_.cancel && shape_.cancel->cancelled())
      return Status(ErrorKind::cancelled, "cancelled by the caller");
    if (deadline != kNoDeadline && next_operation_ < n_operations &&
        std::chrono::steady_clock::now() >= deadline)
      return false;
  }
  return true;
}

bool Forward::give_up_selecting() {
  bool any = false;
  for (SequenceKv* kv : sequences_) any = kv->give_up_selecting() || any;
  return any;
}

bool Forward::lost_abstracts() {
  bool any = false;
  for (SequenceKv* kv : sequences_)
    if (kv->selector()) any = std::exchange(kv->selector()->abstracts_lost, false) || any;
  return any;
}

void Forward::note_times() {
  const uint64_t now_us = steady_us();
  const uint64_t us = now_us - std::exchange(noted_us_, now_us);
  const Arrivals arrivals = std::exchange(holds_.arrivals, {});
  if (next_operation_ == 0) return;
  LayerTimes& times = layer_times_[(next_operation_ - 1) / kLayerOperations];
  if (times.end_us == 0) times.begin_us = now_us - us - begun_us_;
  times.end_us = now_us - begun_us_;
  const uint64_t waiting_us = std::min(arrivals.waited_us, us);
  times.waiting_us += waiting_us;
  times.computing_us += us - waiting_us;
  if (arrivals.last_arrived_us == 0) return;
  const auto since_begin = [this](uint64_t at_us) { return static_cast<int64_t>(at_us - begun_us_); };
  const bool first = times.demand_bytes + times.ahead_bytes == 0;
  times.demand_bytes += arrivals.demand_bytes;
  times.ahead_bytes += arrivals.ahead_bytes;
  times.sent_us = first ? since_begin(arrivals.first_sent_us)
                        : std::min(times.sent_us, since_begin(arrivals.first_sent_us));
  times.arrived_us = first ? since_begin(arrivals.last_arrived_us)
                           : std::max(times.arrived_us, since_begin(arrivals.last_arrived_us));
}

Status Forward::run_operation() {
  if (next_operation_ == 0)
    return device_.embed(shape_, *workspace_, model_.embedding(), tokens_.data(),
                         model_.config().embedding_scale);
  const uint32_t layer = (next_operation_ - 1) / kLayerOperations;
  switch ((next_operation_ - 1) % kLayerOperations) {
    case 0:
      return attention_input(layer);
    case 1:
      return attention(layer);
    default:
      return feed_forward(layer);
  }
}

Status Forward::attention_input(uint32_t layer) {
  pages_.clear();
  for (SequenceKv* kv : sequences_) {
    LEOAM_RETURN_IF_ERROR(kv->open_layer(layer, {shape_.cancel, &holds_}));
    const std::span<const kernels::KvPageRef> pages = kv->append_pages(layer);
    pages_.push_back({pages.data(), static_cast<uint32_t>(pages.size())});
  }
  shape_.pages = pages_;
  return device_.attention_input(shape_, *workspace_, input_params(layer));
}

AttentionInputParams Forward::input_params(uint32_t layer) const {
  const ModelConfig& config = model_.config();
  const LayerWeights& weights = model_.layer(layer);
  const bool sliding = config.is_sliding(layer);
  AttentionInputParams params;
  params.norm = weights.attention_norm.data();
  params.q = &weights.q;
  params.k = &weights.k;
  params.v = &weights.v;
  params.q_bias = data_or_null(weights.q_bias);
  params.k_bias = data_or_null(weights.k_bias);
  params.v_bias = data_or_null(weights.v_bias);
  params.q_norm = data_or_null(weights.q_norm);
  params.k_norm = data_or_null(weights.k_norm);
  params.pairing = config.architecture->rope_pairing;
  params.n_rot = sliding ? config.local_rope.n_rot : config.rope.n_rot;
  params.rope_cos = sliding ? local_cos_.data() : cos_.data();
  params.rope_sin = sliding ? local_sin_.data() : sin_.data();
  return params;
}

Status Forward::guess(uint32_t layer, float scale) {
  if (layer == model_.config().n_layers) return {};
  const auto worth_it = [layer](const SequenceKv* kv) {
    return LayerSelection::is_worth_a_guess(*kv, layer);
  };
  if (std::ranges::none_of(sequences_, worth_it)) return {};
  const size_t width = size_t{shape_.n_heads} * shape_.kv.head_dim;
  const size_t bytes = shape_.n_tokens * width * sizeof(float);
  if (guessed_q_.bytes() < bytes) {
    LEOAM_ASSIGN_OR_RETURN(guessed_q_, AlignedBuffer::allocate(bytes));
  }
  float* const q = guessed_q_.as<float>();
  LEOAM_RETURN_IF_ERROR(device_.project_query(shape_, *workspace_, input_params(layer), q));
  for (size_t i = 0; i < sequences_.size(); ++i)
    if (worth_it(sequences_[i]))
      LayerSelection::guess(*sequences_[i], layer, q + spans_[i].token_begin * width, shape_.n_heads, scale,
                            &holds_);
  return {};
}

Status Forward::attention(uint32_t layer) {
  const ModelConfig& config = model_.config();
  const LayerWeights& weights = model_.layer(layer);
  AttentionParams params;
  params.scale = config.attention_scale;
  params.window = config.is_sliding(layer) ? static_cast<int32_t>(config.sliding_window_tokens) : 0;
  params.o = &weights.o;
  params.o_bias = data_or_null(weights.o_bias);
  params.post_norm = data_or_null(weights.attention_post_norm);
  for (SequenceKv* kv : sequences_)
    LEOAM_RETURN_IF_ERROR(LayerCompaction::run(*kv, layer, device_, &holds_, shape_.cancel));
  LEOAM_RETURN_IF_ERROR(weigh_channels(layer));
  // The step's keys are in their pages: those that are full now get their abstracts.
  for (SequenceKv* kv : sequences_)
    if (kv->selector() && kv->selector()->has_abstracts(layer))
      LEOAM_RETURN_IF_ERROR(LayerSelection::summarize(*kv, layer, device_, &holds_, shape_.cancel));
  for (SequenceKv* kv : sequences_)
    params.keeps_sums = params.keeps_sums || (kv->selector() && kv->selector()->masses(layer));
  LEOAM_RETURN_IF_ERROR(guess(layer + 1, params.scale));
  LEOAM_RETURN_IF_ERROR(select(layer, params));
  LEOAM_RETURN_IF_ERROR(select_blocks(layer, params.scale));
  if (!selections_.empty()) params.selected = sums_;
  const auto selects = [this](size_t i) { return !selections_.empty() && selections_[i].selects; };
  readers_.clear();
  for (size_t i = 0; i < sequences_.size(); ++i)
    if (!selects(i) && !sequences_[i]->selects_blocks(layer))
      readers_.emplace_back(*sequences_[i], layer, &holds_);
  for (params.last = false; !params.last; params.first = false) {
    pages_.clear();
    params.last = true;
    auto reader = readers_.begin();
    auto blocks = block_selections_.begin();
    for (size_t i = 0; i < sequences_.size(); ++i) {
      pages_.emplace_back();
      if (selects(i)) continue;
      if (sequences_[i]->selects_blocks(layer)) {
        LEOAM_ASSIGN_OR_RETURN(pages_.back(), blocks->next(shape_.cancel));
        params.last = params.last && blocks++->at_end();
        continue;
      }
      LEOAM_ASSIGN_OR_RETURN(const std::span<const kernels::KvPageRef> pages, reader->next(shape_.cancel));
      pages_.back() = {pages.data(), static_cast<uint32_t>(pages.size())};
      params.last = params.last && reader->at_end();
      ++reader;
    }
    shape_.pages = pages_;
    LEOAM_RETURN_IF_ERROR(device_.attention(shape_, *workspace_, params));
    if (shape_.cancel && shape_.cancel->cancelled()) break;
  }
  auto selection = layer_selections_.begin();
  for (size_t i = 0; i < sequences_.size(); ++i)
    if (selects(i)) selection++->certify(sums_[i]);
  for (BlockSelection& blocks : block_selections_) blocks.finish();
  block_selections_.clear();
  readers_.clear();
  if (params.keeps_sums) LEOAM_RETURN_IF_ERROR(count_masses(layer, params.scale));
  layer_selections_.clear();
  shape_.selections = {};
  for (SequenceKv* kv : sequences_) kv->close_layer(layer);
  return {};
}

Status Forward::weigh_channels(uint32_t layer) {
  for (size_t i = 0; i < sequences_.size(); ++i) {
    if (!LayerWeighing::is_due(*sequences_[i], layer)) continue;
    LEOAM_ASSIGN_OR_RETURN(const float* const q, device_.queries(shape_, *workspace_));
    const size_t first = size_t{spans_[i].token_begin} * shape_.n_heads * shape_.kv.head_dim;
    LEOAM_RETURN_IF_ERROR(LayerWeighing::run(*sequences_[i], layer, device_, q + first, shape_.n_heads,
                                             &holds_, shape_.cancel));
  }
  return {};
}

Status Forward::audit(uint32_t layer, const AttentionParams& params) {
  for (size_t i = 0; i < sequences_.size(); ++i) {
    SequenceKv& kv = *sequences_[i];
    if (!kv.selects(layer)) continue;
    kv.selector()->buffers.total.clear();
    if (!kv.selector()->audits) continue;
    selections_.assign(sequences_.size(), {});
    sums_.assign(sequences_.size(), {});
    shape_.selections = selections_;
    for (LayerReader reader(kv, layer, &holds_, false); !reader.at_end();) {
      LEOAM_ASSIGN_OR_RETURN(const std::span<const kernels::KvPageRef> pages, reader.next(shape_.cancel));
      selections_[i] = {true, {pages.data(), static_cast<uint32_t>(pages.size())}, {}};
      LEOAM_RETURN_IF_ERROR(device_.attend_selected(shape_, *workspace_, params, sums_));
      LayerSelection::add_to_total(kv, sums_[i], shape_.n_heads);
    }
    shape_.selections = {};
  }
  return {};
}

Status Forward::select(uint32_t layer, const AttentionParams& params) {
  LEOAM_RETURN_IF_ERROR(audit(layer, params));
  layer_selections_.clear();
  selections_.clear();
  for (size_t i = 0; i < sequences_.size(); ++i) {
    if (!sequences_[i]->selects(layer)) continue;
    LayerSelection& selection = layer_selections_.emplace_back(*sequences_[i], layer, &holds_);
    LEOAM_RETURN_IF_ERROR(selection.begin(shape_.cancel));
    selections_.resize(sequences_.size());
    selections_[i] = selection.span();
  }
  if (selections_.empty()) return {};
  shape_.selections = selections_;
  sums_.assign(sequences_.size(), {});
  LEOAM_RETURN_IF_ERROR(device_.attend_selected(shape_, *workspace_, params, sums_));
  bool floor = false;
  auto selection = layer_selections_.begin();
  for (size_t i = 0; i < sequences_.size(); ++i) {
    if (!selections_[i].selects) continue;
    LEOAM_RETURN_IF_ERROR(selection->choose(sums_[i], shape_.n_heads, params.scale, shape_.cancel));
    floor = floor || sequences_[i]->selector()->options().coverage_floor > 0;
    selections_[i] = selection++->span();
  }
  return floor ? widen(params) : Status();
}

Status Forward::select_blocks(uint32_t layer, float scale) {
  block_selections_.clear();
  for (size_t i = 0; i < sequences_.size(); ++i) {
    if (!sequences_[i]->selects_blocks(layer)) continue;
    LEOAM_ASSIGN_OR_RETURN(const float* q, device_.queries(shape_, *workspace_));
    BlockSelection& blocks = block_selections_.emplace_back(*sequences_[i], layer, &holds_);
    LEOAM_RETURN_IF_ERROR(
        blocks.choose(q + size_t{spans_[i].token_begin} * shape_.n_heads * shape_.kv.head_dim, shape_.n_heads,
                      scale, shape_.cancel));
  }
  return {};
}

Status Forward::count_masses(uint32_t layer, float scale) {
  auto selection = layer_selections_.begin();
  for (uint32_t i = 0; i < sequences_.size(); ++i) {
    SequenceKv& kv = *sequences_[i];
    const bool selects = !selections_.empty() && selections_[i].selects;
    LayerMasses* const masses = kv.selector() ? kv.selector()->masses(layer) : nullptr;
    if (masses) {
      std::vector<kernels::AttentionMassPage>& pages = kv.selector()->buffers.mass_pages;
      LayerReader reader(kv, layer, &holds_);
      do {
        pages.clear();
        if (selects) {
          selection->list_masses(*masses, &pages);
        } else {
          LEOAM_ASSIGN_OR_RETURN(const std::span<const kernels::KvPageRef> refs, reader.next(shape_.cancel));
          masses->list(refs, &pages);
        }
        LEOAM_RETURN_IF_ERROR(
            device_.attention_mass(shape_, *workspace_, {i, scale, pages, LayerMasses::stride()}));
      } while (!selects && !reader.at_end());
    }
    if (selects) ++selection;
  }
  return {};
}

Status Forward::widen(const AttentionParams& params) {
  LEOAM_RETURN_IF_ERROR(device_.attend_selected(shape_, *workspace_, params, sums_));
  auto selection = layer_selections_.begin();
  for (size_t i = 0; i < sequences_.size(); ++i) {
    if (!selections_[i].selects) continue;
    if (selection->is_too_narrow(sums_[i])) LEOAM_RETURN_IF_ERROR(selection->widen(shape_.cancel));
    selections_[i] = selection++->span();
  }
  return {};
}

Status Forward::feed_forward(uint32_t layer) {
  const LayerWeights& weights = model_.layer(layer);
  FeedForwardParams params;
  params.norm = weights.ffn_norm.data();
  params.gate = &weights.gate;
  params.up = &weights.up;
  params.down = &weights.down;
  params.post_norm = data_or_null(weights.ffn_post_norm);
  params.activation = model_.config().architecture->activation == Activation::silu ? GatedActivation::swiglu
                                                                                   : GatedActivation::geglu;
  return device_.feed_forward(shape_, *workspace_, params);
}

Status Forward::logits(std::span<const uint32_t> rows, float* out) {
  return device_.logits(shape_, *workspace_, model_.output_norm().data(), model_.head(), rows,
                        model_.config().logit_scale, out);
}

Result<ForwardCache::Lease> ForwardCache::acquire(const Model& model, const kernels::KvLayout& layout,
                                                  uint32_t max_tokens) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (auto it = idle_.begin(); it != idle_.end(); ++it) {
      if (&(*it)->model() != &model || !same_layout((*it)->layout(), layout) ||
          (*it)->max_tokens() < max_tokens)
        continue;
      std::unique_ptr<Forward> forward = std::move(*it);
      idle_.erase(it);
      return Lease(*this, std::move(forward));
    }
  }
  LEOAM_ASSIGN_OR_RETURN(std::unique_ptr<Forward> forward,
                         Forward::create(model, device_, layout, max_tokens));
  return Lease(*this, std::move(forward));
}

void ForwardCache::give_back(std::unique_ptr<Forward> forward) {
  std::lock_guard<std::mutex> lock(mutex_);
  size_t like_it = 0;
  for (const std::unique_ptr<Forward>& idle : idle_)
    if (&idle->model() == &forward->model() && same_layout(idle->layout(), forward->layout())) ++like_it;
  if (like_it < kIdleForwards) idle_.push_back(std::move(forward));
}

void ForwardCache::forget(const Model* model) {
  std::lock_guard<std::mutex> lock(mutex_);
  std::erase_if(idle_, [model](const std::unique_ptr<Forward>& idle) { return &idle->model() == model; });
}

uint64_t ForwardCache::idle_bytes() const {
  std::lock_guard<std::mutex> lock(mutex_);
  uint64_t bytes = 0;
  for (const std::unique_ptr<Forward>& idle : idle_) bytes += idle->workspace_bytes();
  return bytes;
}

}  // namespace leoam
